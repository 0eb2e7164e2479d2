#include "commands/replay.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/utf8.h"
#include "commands/rule_words.h"
#include "replay/replay.h"

namespace cryptnono::commands {

namespace {

using replay::Record;
using replay::Verdict;

constexpr std::size_t kExamples = 5;
constexpr std::size_t kComplaints = 10;  // of each log; all are counted

// How often, and where the first ones stand.
struct Tally {
  std::uint64_t count = 0;
  std::vector<std::string> examples;
};

class ReplayReport {
 public:
  ReplayReport(const detect::ExecRules& now, const detect::ExecRules* before, bool reveal)
      : now_(now), before_(before), reveal_(reveal) {}

  void add(const std::string& log, const Record& record, const Verdict& now,
           const Verdict& before) {
    const std::string rule = rule_of(now_, now);
    if (now.what != Verdict::What::kLives) {
      note(verdicts_[word(now.what)], log, record);
      Tally& by_rule = rules_[{word(now.what), group_of(now_, now), rule}];
      note(by_rule, log, record);
    }
    if (before_ == nullptr) return;
    const bool dies = now.what == Verdict::What::kDies;
    const bool died = before.what == Verdict::What::kDies;
    const std::string old_rule = rule_of(*before_, before);
    if (dies && !died)
      note(changes_[{"newly killed", old_words(before, old_rule), rule}], log, record);
    if (!dies && died)
      note(changes_[{"newly spared", old_rule, new_words(now, rule)}], log, record);
    if (dies && died && rule_text(now_, now) != rule_text(*before_, before)) {
      note(changes_[{"other rule", old_rule, rule}], log, record);
    } else if (dies && died && group_of(now_, now) != group_of(*before_, before)) {
      note(changes_[{"other group", group_of(*before_, before), group_of(now_, now)}], log, record);
    }
  }

  [[nodiscard]] bool kills() const { return verdicts_.contains("would die"); }
  [[nodiscard]] bool changed() const { return !changes_.empty(); }

  void print(std::ostream& out) const {
    for (const auto& [verdict, tally] : verdicts_)
      out << fmt::format("{}: {}\n", verdict, tally.count);
    for (const auto& [key, tally] : rules_) {
      out << fmt::format("  {} by {} (group {}): {}, {}\n", std::get<0>(key), std::get<2>(key),
                         std::get<1>(key), tally.count, fmt::join(tally.examples, ", "));
    }
    if (before_ != nullptr && changes_.empty()) out << "nothing has changed\n";
    for (const auto& [key, tally] : changes_) {
      out << fmt::format("{}: {}, from {} to {}: {}\n", std::get<0>(key), tally.count,
                         std::get<1>(key), std::get<2>(key), fmt::join(tally.examples, ", "));
    }
  }

  void add_to(nlohmann::ordered_json& out) const {
    out["verdicts"] = nlohmann::ordered_json::object();
    for (const auto& [verdict, tally] : verdicts_) out["verdicts"][verdict] = tally.count;
    out["rules"] = nlohmann::ordered_json::array();
    for (const auto& [key, tally] : rules_) {
      out["rules"].push_back({{"verdict", std::get<0>(key)},
                              {"group", std::get<1>(key)},
                              {"rule", std::get<2>(key)},
                              {"count", tally.count},
                              {"examples", tally.examples}});
    }
    if (before_ == nullptr) return;
    out["changes"] = nlohmann::ordered_json::array();
    for (const auto& [key, tally] : changes_) {
      out["changes"].push_back({{"change", std::get<0>(key)},
                                {"from", std::get<1>(key)},
                                {"to", std::get<2>(key)},
                                {"count", tally.count},
                                {"examples", tally.examples}});
    }
  }

 private:
  using Key = std::tuple<std::string, std::string, std::string>;

  static std::string word(Verdict::What what) {
    switch (what) {
      case Verdict::What::kDies:
        return "would die";
      case Verdict::What::kReported:
        return "would be reported";
      case Verdict::What::kSpared:
        return "spared by an allowed rule";
      default:
        return "lives";
    }
  }
  static std::string group_of(const detect::ExecRules& rules, const Verdict& verdict) {
    if (verdict.rule >= rules.size()) return "";
    return std::string(rules.group_name(rules.rule_group(verdict.rule)));
  }
  static std::string rule_text(const detect::ExecRules& rules, const Verdict& verdict) {
    return ascii_lower(rules.rule_text(verdict.rule));
  }
  [[nodiscard]] std::string rule_of(const detect::ExecRules& rules, const Verdict& verdict) const {
    if (verdict.what == Verdict::What::kLives) return "no rule";
    return rule_name(rules, verdict.rule, reveal_);
  }
  static std::string old_words(const Verdict& verdict, const std::string& rule) {
    return verdict.what == Verdict::What::kLives ? rule : word(verdict.what);
  }
  static std::string new_words(const Verdict& verdict, const std::string& rule) {
    return old_words(verdict, rule);
  }
  void note(Tally& tally, const std::string& log, const Record& record) const {
    if (++tally.count > kExamples) return;
    std::string where = fmt::format("{}:{}", log, record.line);
    if (reveal_)
      where += fmt::format(
          " `{}`", for_terminal(detect::quoted_line(record.filename, record.argv).substr(0, 500)));
    tally.examples.push_back(std::move(where));
  }

  const detect::ExecRules& now_;
  const detect::ExecRules* before_;
  bool reveal_;
  std::map<std::string, Tally> verdicts_;
  std::map<Key, Tally> rules_;    // verdict, group, rule
  std::map<Key, Tally> changes_;  // change, from, to
};

std::optional<replay::Format> format_of(const std::string& word) {
  for (const auto format :
       {replay::Format::kCryptnono, replay::Format::kUpstream, replay::Format::kPs,
        replay::Format::kExecsnoop, replay::Format::kAuditd, replay::Format::kLines}) {
    if (replay::format_name(format) == word) return format;
  }
  return std::nullopt;
}

void print_counts(const replay::Counts& counts, std::ostream& out) {
  out << fmt::format(
      "{} lines, {} bytes; {} lines parsed, {} command lines in them; the others hold no banned "
      "string\n",
      counts.lines, counts.bytes, counts.parsed, counts.execs);
  const auto say = [&](std::uint64_t count, std::string_view words) {
    if (count > 0) out << fmt::format("{} {}\n", count, words);
  };
  say(counts.failed, "execs that failed: nothing ran");
  say(counts.cut, "command lines that the log has cut: judged as far as they go");
  say(counts.broken, "broken lines, not judged");
  say(counts.masked, "redacted lines, not judged: record them with log.revealRules");
}

void add_counts(const replay::Counts& counts, nlohmann::ordered_json& out) {
  out["lines"] = counts.lines;
  out["bytes"] = counts.bytes;
  out["parsed"] = counts.parsed;
  out["command_lines"] = counts.execs;
  out["failed"] = counts.failed;
  out["cut"] = counts.cut;
  out["broken"] = counts.broken;
  out["redacted"] = counts.masked;
  out["seconds"] = {{"reading", counts.reading_s},
                    {"filtering", counts.filtering_s},
                    {"judging", counts.judging_s}};
}

}  // namespace

void ReplayCommand::add_to(CLI::App& command) {
  inputs.add_files_to(command);
  inputs.add_reveal_to(command);
  add_repeated(command, "--against", against, "File of the old rules");
  command.add_option("--format", format, "What the logs are")
      ->check(
          CLI::IsMember({"auto", "cryptnono", "upstream", "ps", "execsnoop", "auditd", "lines"}))
      ->capture_default_str();
  command.add_flag("--json", json, "As JSON (docs/replay.md)");
  command.add_flag("--exact", exact,
                   "Parse every line, also those that cannot hold a banned string");
  command.add_flag("--fail-on-kill", fail_on_kill, "Exit with 10 if something would die");
  command.add_flag("--fail-on-change", fail_on_change,
                   "Exit with 10 if something lives or dies otherwise than with --against");
  command.add_flag("--fail-on-broken", fail_on_broken,
                   "Exit with 10 if lines are broken or redacted");
  command.add_option("LOG", logs, "Logs; - is standard input")->required();
}

int run_replay(const ReplayCommand& command, std::ostream& out, std::ostream& err) {
  if (command.fail_on_change && command.against.empty()) {
    err << "replay: --fail-on-change needs --against\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  const auto config = command.inputs.load_or_say(err);
  if (!config) return static_cast<int>(ExitCode::kConfig);
  std::optional<config::Config> old;
  std::vector<const config::Execwhacker*> all{&config->execwhacker};
  if (!command.against.empty()) {
    Inputs old_inputs = command.inputs;
    old_inputs.files = command.against;
    old = old_inputs.load_or_say(err);
    if (!old) return static_cast<int>(ExitCode::kConfig);
    all.push_back(&old->execwhacker);
  }
  std::vector<replay::RuleSet> sets;
  for (const config::Execwhacker* each : all) {
    auto rules = detect::ExecRules::compile(*each, 1);
    if (!rules) return say(rules.error(), err);
    sets.push_back({.rules = *rules, .dry_run = each == all[0] ? config->dry_run : old->dry_run});
  }
  const replay::Prefilter filter(all);
  ReplayReport report(*sets[0].rules, old ? sets[1].rules.get() : nullptr, command.inputs.reveal);
  replay::Replayer replayer(sets, filter, {.exact = command.exact});
  nlohmann::ordered_json json;
  for (const std::string& log : command.logs) {
    Fd opened;
    int fd = STDIN_FILENO;
    if (log != "-") {
      opened = Fd(open(log.c_str(), O_RDONLY | O_CLOEXEC));
      if (!opened) {
        err << fail_errno(log, errno).value().message << '\n';
        return static_cast<int>(ExitCode::kFailure);
      }
      fd = opened.get();
    }
    std::size_t complaints = 0;
    const auto format = replayer.run(
        fd, format_of(command.format),
        [&](const Record& record, const Verdict& now, const Verdict& before) {
          report.add(log, record, now, before);
        },
        [&](replay::Kind, std::size_t line, const std::string& why) {
          if (++complaints <= kComplaints) err << fmt::format("{}:{}: {}\n", log, line, why);
        });
    if (complaints > kComplaints)
      err << fmt::format("{}: and {} more such lines\n", log, complaints - kComplaints);
    if (!format) {
      err << log << ": " << format.error().message << '\n';
      return static_cast<int>(format.error().code == ExitCode::kUsage ? ExitCode::kUsage
                                                                      : ExitCode::kFailure);
    }
    json["logs"].push_back({{"log", log}, {"format", replay::format_name(*format)}});
    if (!command.json) out << fmt::format("{}: {}\n", log, replay::format_name(*format));
  }
  const replay::Counts& counts = replayer.counts();
  if (command.json) {
    add_counts(counts, json);
    report.add_to(json);
    out << json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) << '\n';
  } else {
    print_counts(counts, out);
    report.print(out);
  }
  const bool failed = (command.fail_on_kill && report.kills()) ||
                      (command.fail_on_change && report.changed()) ||
                      (command.fail_on_broken && counts.broken + counts.masked > 0);
  return static_cast<int>(failed ? ExitCode::kExplainKilled : ExitCode::kOk);
}

}  // namespace cryptnono::commands
