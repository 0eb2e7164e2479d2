#include "commands/explain_pid.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/redactor.h"
#include "base/result.h"
#include "base/utf8.h"
#include "commands/process_facts.h"
#include "commands/process_words.h"
#include "commands/rule_words.h"
#include "container/scope.h"
#include "detect/exec/exec_rules.h"

namespace cryptnono::commands {

namespace {

using container::CgroupOwner;
using container::Spared;
using JudgementVerdict = detect::Judgement::Verdict;

// What would become of a process that a detector has found.
struct Fate {
  bool killed = false;
  std::string words;  // "spared: protected by its namespace", "killed"
};

class Answer {
 public:
  Answer(const config::Config& config, const ProcessFacts& facts, bool reveal, std::ostream& out)
      : config_(config),
        facts_(facts),
        owner_(facts.book.owner_of(facts.cgroup)),
        reveal_(reveal),
        out_(out) {}

  // The exit code.
  Result<ExitCode> run();

 private:
  void say(std::string_view what, std::string_view text) { commands::say(out_, what, text); }
  void say_what_applies();
  Result<void> find_scope();
  [[nodiscard]] std::string out_of_scope() const;
  [[nodiscard]] std::string spared_by() const;
  [[nodiscard]] std::string report_only(config::Action action, std::string_view detector) const;
  [[nodiscard]] Fate fate(config::Action action, std::string_view detector) const;
  bool say_execwhacker();
  void say_monero();
  void say_tcpflowkiller();

  const config::Config& config_;
  const ProcessFacts& facts_;
  const CgroupOwner* owner_;
  bool reveal_;
  std::shared_ptr<const detect::ExecRules> rules_;  // from run() on
  std::ostream& out_;
  bool in_scope_ = true, excluded_ = false, monero_exempt_cgroup_ = false;
  container::Permission permission_;
  container::Standing standing_;
  std::string verdict_ = "nothing: no detector has anything against it now";
};

std::string_view per_word(config::CountPer per) {
  switch (per) {
    case config::CountPer::kTree:
      return "tree";
    case config::CountPer::kSession:
      return "session";
    case config::CountPer::kContainer:
      return "container";
    default:
      return "process";
  }
}

Result<void> Answer::find_scope() {
  config::Scope wanted = config_.scope;
  in_scope_ = TRY(container::Scope::resolve(wanted)).contains(facts_.cgroup);
  wanted.cgroups.clear();
  excluded_ = !TRY(container::Scope::resolve(wanted)).contains(facts_.cgroup);
  const config::Scope exempt{.cgroups = {}, .exclude = config_.monero.exempt_cgroups};
  monero_exempt_cgroup_ = !TRY(container::Scope::resolve(exempt)).contains(facts_.cgroup);
  return {};
}

std::string Answer::out_of_scope() const {
  if (in_scope_) return {};
  return excluded_ ? "out of scope: in a cgroup of scope.exclude"
                   : "out of scope: in no cgroup of scope.cgroups";
}

std::string Answer::spared_by() const {
  switch (facts_.untouchable) {
    case Untouchable::kPid1:
      return "never touched: pid 1";
    case Untouchable::kKernelThread:
      return "never touched: a kernel thread";
    case Untouchable::kDaemon:
      return "never touched: the daemon, or an ancestor of it";
    default:
      break;
  }
  if (!in_scope_) return out_of_scope();
  switch (permission_.spared) {
    case Spared::kNot:
      return {};
    case Spared::kNode:
      return standing_.container
                 ? "protected:node (scope.processes: in a container's cgroup, but in the mount "
                   "namespace of the node or of a runtime)"
                 : "protected:node (scope.processes: in no container)";
    case Spared::kUser:
      return fmt::format("protected:user (protect.users: {})", facts_.who.uid);
    case Spared::kExecutable:
      return "protected:executable (protect.executables)";
    case Spared::kNamespace:
      return "protected:namespace (protect.namespaces)";
    case Spared::kPodLabel:
      return "protected:pod-label (protect.podLabels)";
    case Spared::kContainerName:
      return "protected:container-name (protect.containerNames)";
    default:
      return "protected:" + std::string(container::word_of(permission_.spared));
  }
}

std::string Answer::report_only(config::Action action, std::string_view detector) const {
  if (config_.dry_run) return "dryRun is true";
  if (permission_.kill) return {};  // its namespace says so
  if (!kills(action)) return fmt::format("the action of {} is report", detector);
  if (standing_.report) return "only reports are wanted in its namespace";
  return permission_.report ? "protect.unclassified is report" : "";
}

Fate Answer::fate(config::Action action, std::string_view detector) const {
  if (const std::string why = spared_by(); !why.empty()) return {.words = "spared: " + why};
  if (const std::string why = report_only(action, detector); !why.empty())
    return {.words = "only reported: " + why};
  return {.killed = true, .words = "killed"};
}

void Answer::say_what_applies() {
  say("scope", in_scope_ ? "in scope" : out_of_scope());
  const bool protects =
      facts_.untouchable != Untouchable::kNot || permission_.spared != Spared::kNot;
  say("protected", protects && in_scope_ ? spared_by() : "no");
  if (owner_ != nullptr && standing_.unknown)
    say("unclassified",
        fmt::format("whether it is protected is not known; protect.unclassified is {}",
                    config_.protect.unclassified == config::Action::kKill ? "kill" : "report"));
}

// Whether it would be killed now.
bool Answer::say_execwhacker() {
  const config::Execwhacker& config = config_.execwhacker;
  if (!config.enabled) {
    say("execwhacker", "not enabled");
    return false;
  }
  const detect::ExecLine line{
      .text = {.path = facts_.who.path, .filename = {}, .argv = facts_.who.argv},
      .path_trusted = facts_.executable_trusted};
  const detect::Judgement now = rules_->judge_running(line);
  if (now.verdict == JudgementVerdict::kNothing) {
    const detect::Judgement at_exec = rules_->judge(line);
    say("execwhacker", at_exec.verdict == JudgementVerdict::kBanned
                           ? "nothing in its arguments, but the next exec of it would be hit: " +
                                 rule_words(config_, *rules_, at_exec.rule, reveal_) +
                                 " is in the path of its executable"
                           : "nothing: no banned string in its command line");
    return false;
  }
  const std::string rule = rule_words(config_, *rules_, now.rule, reveal_);
  if (now.verdict == JudgementVerdict::kSpared) {
    const std::string why = spared_words(*rules_, now, reveal_);
    say("execwhacker", rule + ": spared: " + why);
    verdict_ = "spared: execwhacker: " + why;
    return false;
  }
  const Fate what = fate(rules_->action_of(now.groups), "execwhacker");
  say("execwhacker", rule + ": " + what.words);
  verdict_ = what.words + (what.killed ? ": execwhacker: " + rule : "");
  if (!what.killed) return false;
  say("limit", fmt::format("unless its group has hit {} containers or users within {} s",
                           config.limit.max_targets, config.limit.window_s));
  say("when", config.scan_interval_s > 0
                  ? fmt::format("within {} s, at the daemon's next look at all processes",
                                config.scan_interval_s)
                  : "at its next exec: execwhacker.scanInterval is 0");
  return true;
}

void Answer::say_monero() {
  const config::Monero& config = config_.monero;
  const auto& paths = config.exempt_executables;
  const bool listed = std::find(paths.begin(), paths.end(), facts_.who.path) != paths.end();
  if (!config.enabled) {
    say("monero", "not enabled");
  } else if (monero_exempt_cgroup_) {
    say("monero", "exempt: in a cgroup of monero.exempt.cgroups");
  } else if (listed && facts_.executable_trusted) {
    say("monero", "exempt: its executable is in monero.exempt.executables");
  } else {
    say("monero",
        fmt::format("not exempt{}; judged by its rounding modes while it runs; if it is "
                    "RandomX: {}",
                    listed ? " (its executable is listed, but not only root's to write)" : "",
                    fate(config.action, "monero").words));
  }
}

void Answer::say_tcpflowkiller() {
  const config::Tcpflowkiller& config = config_.tcpflowkiller;
  if (!config.enabled) {
    say("tcpflowkiller", "not enabled");
    return;
  }
  say("tcpflowkiller",
      fmt::format(
          "judged when it connects, to {} banned ranges; {}; if one hits: {}", config.bans.size(),
          config.scan.enabled
              ? fmt::format("more than {} destinations{} in {} s are a scan, counted per {}",
                            config.scan.threshold,
                            config.scan.only_failed ? " that do not answer" : "",
                            config.scan.window_s, per_word(config.scan.per))
              : "destinations are not counted",
          fate(config.action, "tcpflowkiller").words));
}

Result<ExitCode> Answer::run() {
  TRY(find_scope());
  permission_ = facts_.book.permission(owner_, facts_.person);
  if (owner_ != nullptr) standing_ = facts_.book.standing_of(*owner_);
  rules_ = TRY(detect::ExecRules::compile(config_.execwhacker, 1));
  app::Redactor redactor = reveal_ ? app::Redactor() : app::Redactor(rules_);
  say_who(facts_, config_.log, redactor, out_);
  say_where(facts_, out_);
  say_what_applies();
  if (const std::string why = spared_by(); !why.empty()) verdict_ = "spared: " + why;
  const bool killed = say_execwhacker();
  say_monero();
  say_tcpflowkiller();
  say("verdict", verdict_);
  return killed ? ExitCode::kExplainKilled : ExitCode::kOk;
}

}  // namespace

int run_explain_pid(const Inputs& inputs, pid_t pid, std::ostream& out, std::ostream& err) {
  if (pid <= 0) {
    err << "explain: " << pid << " is not the id of a process\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  const std::optional<config::Config> config = inputs.load_or_say(err);
  if (!config) return static_cast<int>(ExitCode::kConfig);
  const auto answer = [&]() -> Result<ExitCode> {
    const ProcessFacts facts = TRY(read_facts(*config, pid));
    return TRY(Answer(*config, facts, inputs.reveal, out).run());
  };
  const Result<ExitCode> code = answer();
  if (!code) err << "explain: " << for_terminal(code.error().message) << '\n';
  return static_cast<int>(code ? *code : code.error().code);
}

}  // namespace cryptnono::commands
