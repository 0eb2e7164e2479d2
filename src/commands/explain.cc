#include "commands/explain.h"

#include <sys/stat.h>

#include <filesystem>

#include "app/redactor.h"
#include "base/result.h"
#include "commands/rule_words.h"
#include "detect/exec/exec_rules.h"

namespace cryptnono::commands {

namespace {

// What the kernel side asks of an executable before an allowed path counts (bpf/lib/path.bpf.h).
bool only_root_writes(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && status.st_uid == 0 &&
         (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace

int run_explain(const Inputs& inputs, const std::vector<std::string>& argv,
                const std::string& executable, std::ostream& out, std::ostream& err) {
  if (argv.empty()) {
    err << "explain: give a command line after --\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  const std::optional<config::Config> config = inputs.load_or_say(err);
  if (!config) return static_cast<int>(ExitCode::kConfig);
  const auto rules = detect::ExecRules::compile(config->execwhacker, 1);
  if (!rules) return say(rules.error(), err);
  std::string area;
  for (const std::string& argument : argv) area += argument + '\0';
  const std::string filename = executable.empty() ? argv[0] : executable;
  std::error_code error;
  std::string path = std::filesystem::canonical(filename, error).string();
  if (error) path = filename;
  const detect::ExecLine line{.text = {.path = path, .filename = filename, .argv = area},
                              .path_trusted = only_root_writes(path)};
  const detect::Judgement judgement = (*rules)->judge(line);
  app::Redactor redactor = inputs.reveal ? app::Redactor() : app::Redactor(*rules);
  detect::Subject who;
  who.argv = area;
  const std::string quoted = redactor.command_line(who, filename, area.size() + filename.size());
  if (judgement.verdict == detect::Judgement::Verdict::kNothing) {
    out << "spared: no banned string in: " << quoted << '\n';
    return static_cast<int>(ExitCode::kOk);
  }
  out << rule_words(*config, **rules, judgement.rule, inputs.reveal) << "\n  in: " << quoted
      << '\n';
  if (judgement.verdict == detect::Judgement::Verdict::kSpared) {
    out << "spared: " << spared_words(**rules, judgement, inputs.reveal) << '\n';
    return static_cast<int>(ExitCode::kOk);
  }
  const bool killed = !config->dry_run && kills((*rules)->action_of(judgement.groups));
  out << (killed ? "killed" : "killed, but for the mode: it is only reported") << '\n';
  return static_cast<int>(ExitCode::kExplainKilled);
}

}  // namespace cryptnono::commands
