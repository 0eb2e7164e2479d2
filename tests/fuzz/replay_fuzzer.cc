// Any bytes as a log of each format: with the filter it says what it says without.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "config/load.h"
#include "replay/replay.h"

namespace {

using cryptnono::replay::Format;

std::string said(const cryptnono::replay::Prefilter& filter,
                 const cryptnono::replay::RuleSet& rules, std::FILE* file, Format format,
                 bool exact) {
  std::rewind(file);
  std::string out;
  cryptnono::replay::Replayer replayer({rules}, filter, {.exact = exact, .block = 128});
  const auto done = replayer.run(
      fileno(file), format,
      [&](const auto& record, const auto& now, const auto&) {
        out += std::to_string(record.line) + ":" + std::to_string(now.rule) + " ";
      },
      [](auto, auto, const auto&) {});
  return done ? out : "error";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto kConfig = cryptnono::config::load_text(
      "rules.yaml", "bannedCommandStrings: [ab, 'a b']\nbannedCommandSubstrings: [bca]\n");
  static const cryptnono::replay::Prefilter kFilter({&kConfig->config.execwhacker});
  static const cryptnono::replay::RuleSet kRules{
      .rules = *cryptnono::detect::ExecRules::compile(kConfig->config.execwhacker, 1),
      .dry_run = false};
  std::FILE* file = std::tmpfile();
  if (file == nullptr) return 0;
  std::fwrite(data, 1, size, file);
  std::fflush(file);
  for (const Format format :
       {Format::kUpstream, Format::kPs, Format::kExecsnoop, Format::kAuditd, Format::kLines}) {
    if (said(kFilter, kRules, file, format, false) != said(kFilter, kRules, file, format, true))
      std::abort();
  }
  std::fclose(file);
  return 0;
}
