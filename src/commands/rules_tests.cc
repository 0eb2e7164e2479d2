#include "commands/rules_tests.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "commands/rule_words.h"
#include "commands/rules_files.h"
#include "config/document.h"
#include "replay/replay.h"

namespace cryptnono::commands {

namespace {

using Value = config::Document::Value;
using Kind = config::Document::Kind;

struct TestCase {
  config::Position position;
  bool must_die = false;
  replay::Record record;
  std::string why, group;
};

// Reads the cases of one file. What is wrong goes to `diagnostics`.
class CaseReader {
 public:
  CaseReader(std::string_view file, config::Diagnostics& diagnostics, std::vector<TestCase>& cases)
      : file_(file), diagnostics_(diagnostics), cases_(cases) {}

  void read(Value root) {
    if (root.kind() != Kind::kMapping) return wrong(root, "expected `mustDie` and `mustLive`");
    root.for_each_entry([&](Value key, Value value) {
      if (key.text() != "mustDie" && key.text() != "mustLive")
        return wrong(key, "unknown key; `mustDie` and `mustLive` are known");
      if (value.kind() != Kind::kSequence) return wrong(value, "expected a list");
      value.for_each_item([&](Value item) { read_case(item, key.text() == "mustDie"); });
    });
  }

 private:
  void wrong(Value at, std::string what) {
    diagnostics_.error(file_, at.position(), std::move(what));
  }

  // A string is split as by a shell, a list is the arguments.
  bool read_argv(Value value, std::string& argv) {
    if (value.kind() == Kind::kScalar) {
      auto words = replay::shell_split(value.text());
      if (!words) wrong(value, "a quote that is not closed");
      if (words) argv = std::move(*words);
      return words.has_value();
    }
    if (value.kind() != Kind::kSequence) {
      wrong(value, "expected a command line or a list of arguments");
      return false;
    }
    bool good = true;
    value.for_each_item([&](Value item) {
      good = good && item.kind() == Kind::kScalar;
      if (good) argv.append(item.text()).push_back('\0');
    });
    if (!good) wrong(value, "an argument that is no string");
    return good;
  }

  void read_case(Value item, bool must_die) {
    TestCase one{
        .position = item.position(), .must_die = must_die, .record = {}, .why = {}, .group = {}};
    bool good = true;
    if (item.kind() == Kind::kMapping) {
      item.for_each_entry([&](Value key, Value value) {
        if (key.text() == "argv") {
          good = read_argv(value, one.record.argv) && good;
          return;
        }
        std::string* const to = key.text() == "filename" ? &one.record.filename
                                : key.text() == "path"   ? &one.record.path
                                : key.text() == "why"    ? &one.why
                                : key.text() == "group"  ? &one.group
                                                         : nullptr;
        good = good && to != nullptr && value.kind() == Kind::kScalar;
        if (to == nullptr) {
          wrong(key, "unknown key; `argv`, `filename`, `path`, `why` and `group` are known");
        } else if (value.kind() != Kind::kScalar) {
          wrong(value, "expected a string");
        } else {
          *to = value.text();
        }
      });
    } else {
      good = read_argv(item, one.record.argv);
    }
    if (!good) return;
    if (one.record.argv.empty() && one.record.filename.empty() && one.record.path.empty())
      return wrong(item, "no command line");
    if (one.record.filename.empty())
      one.record.filename = one.record.argv.substr(0, one.record.argv.find('\0'));
    cases_.push_back(std::move(one));
  }

  std::string_view file_;
  config::Diagnostics& diagnostics_;
  std::vector<TestCase>& cases_;
};

// What is wrong with the verdict; "" if it is as it must be. Never quotes the command line.
std::string fault_of(const TestCase& one, const detect::ExecRules& rules,
                     const replay::Verdict& verdict, bool reveal) {
  using What = replay::Verdict::What;
  const std::string rule = rule_name(rules, verdict.rule, reveal);
  if (!one.must_die)
    return verdict.what == What::kDies ? "must live, and would die by " + rule : std::string();
  if (verdict.what == What::kLives) return "must die, and no rule hits";
  if (verdict.what == What::kSpared) return "must die, and an allowed rule spares it from " + rule;
  // `action: report` is where a rule is tried: it hits.
  const std::string_view group = rules.group_name(rules.rule_group(verdict.rule));
  if (!one.group.empty() && one.group != group)
    return fmt::format("must die by the group {}, and does by {} of {}", one.group, rule, group);
  return {};
}

}  // namespace

void RulesTestCommand::add_to(CLI::App& command) {
  inputs.add_files_to(command);
  inputs.add_reveal_to(command);
  command.add_flag("--coverage", coverage, "Warn of each rule by which no case dies");
  command.add_option("TESTS", tests, "Files of cases (docs/replay.md)")->required();
}

int run_rules_test(const RulesTestCommand& command, std::ostream& out, std::ostream& err) {
  const auto config = command.inputs.load_or_say(err);
  if (!config) return static_cast<int>(ExitCode::kConfig);
  const auto rules = detect::ExecRules::compile(config->execwhacker, 1);
  if (!rules) return say(rules.error(), err);
  const replay::RuleSet set{.rules = *rules, .dry_run = config->dry_run};
  std::vector<bool> hit((*rules)->size());
  std::size_t passed = 0;
  std::size_t failed = 0;
  const auto identities = command.inputs.load_identities();
  if (!identities) return say(identities.error(), err);
  for (const std::string& file : command.tests) {
    const Result<std::string> text = read_opened(file, *identities);
    if (!text) return say(text.error(), err);
    config::Diagnostics diagnostics;
    std::vector<TestCase> cases;
    const auto document = config::parse_document(file, *text, diagnostics);
    if (document && document->root()) CaseReader(file, diagnostics, cases).read(*document->root());
    if (diagnostics.has_errors()) {
      for (const auto& each : diagnostics.take_errors()) err << to_string(each) << '\n';
      return static_cast<int>(ExitCode::kConfig);
    }
    for (const TestCase& one : cases) {
      const replay::Verdict verdict = set.judge(one.record);
      if (one.must_die && verdict.rule < hit.size()) hit[verdict.rule] = true;
      const std::string fault = fault_of(one, **rules, verdict, command.inputs.reveal);
      ++(fault.empty() ? passed : failed);
      if (fault.empty()) continue;
      out << fmt::format("{}:{}: {}{}{}\n", file, one.position.line, fault,
                         one.why.empty() ? "" : ": ", one.why);
    }
  }
  if (command.coverage) {
    for (std::uint32_t rule = 0; rule < hit.size(); ++rule) {
      if (!hit[rule])
        err << fmt::format("warning: no case dies by {}\n",
                           rule_name(**rules, rule, command.inputs.reveal));
    }
  }
  out << fmt::format("{} cases: {} as they must be, {} not\n", passed + failed, passed, failed);
  return static_cast<int>(failed > 0 ? ExitCode::kExplainKilled : ExitCode::kOk);
}

}  // namespace cryptnono::commands
