#include "commands/check.h"

#include <fmt/format.h>

#include <string_view>

#include "base/result.h"
#include "config/load.h"
#include "detect/flow/flow_tables.h"

namespace cryptnono::commands {

namespace {

std::string count(std::size_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

std::string summary(const config::Config& config) {
  std::size_t strings = 0;
  std::size_t substrings = 0;
  std::size_t patterns = 0;
  std::size_t executables = 0;
  for (const config::RuleGroup& group : config.execwhacker.groups) {
    strings += group.banned_strings.size();
    substrings += group.banned_substrings.size();
    patterns += group.allowed_patterns.size();
    executables += group.allowed_executables.size();
  }
  std::string flow;
  if (config.tcpflowkiller.enabled) {
    flow = fmt::format("; {}, {}", count(config.tcpflowkiller.bans.size(), "banned address range"),
                       count(config.tcpflowkiller.allowed.size(), "allowed address range"));
  }
  return fmt::format("ok: {}, {}, {}, {} in {}{}", count(strings, "banned string"),
                     count(substrings, "substring"), count(patterns, "allowed pattern"),
                     count(executables, "allowed executable"),
                     count(config.execwhacker.groups.size(), "group"), flow);
}

}  // namespace

int run_check(const Inputs& inputs, std::ostream& out, std::ostream& err) {
  const config::LoadResult loaded = config::load_files(inputs.files, inputs.load_options());
  if (!loaded) {
    for (const config::Diagnostic& error : loaded.error()) err << config::to_string(error) << '\n';
    return static_cast<int>(ExitCode::kConfig);
  }
  for (const config::Diagnostic& warning : loaded->warnings) {
    err << "warning: " << config::to_string(warning) << '\n';
  }
  const auto tables = detect::FlowTables::build(loaded->config.tcpflowkiller, 1);
  if (!tables) return say(tables.error(), err);
  out << summary(loaded->config) << '\n';
  return static_cast<int>(ExitCode::kOk);
}

}  // namespace cryptnono::commands
