#include "app/daemon.h"

#include <malloc.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <thread>

#include "app/kernel_scope.h"
#include "base/clock.h"
#include "base/json_line.h"
#include "config/directories.h"
#include "container/scope.h"
#include "container/standing_book.h"
#include "proc/proc_reader.h"
#include "status/privileges.h"

namespace cryptnono::app {

using status::Lack;

namespace {

// A file that is being written changes several times; it is read when nothing has happened for so
// long.
constexpr int kQuietMs = 50;
// ...but not later than after so many such waits.
constexpr int kMaxQuietWaits = 20;

// Blocks the signals that the loop handles, for this thread and those that it starts, and opens a
// descriptor for them.
Fd block_and_open_signals() {
  sigset_t handled;
  sigemptyset(&handled);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&handled, number);
  pthread_sigmask(SIG_BLOCK, &handled, nullptr);
  return Fd(signalfd(-1, &handled, SFD_CLOEXEC));
}

// Of two waits as poll(2) takes them; -1: for ever.
int sooner(int one, int other) {
  if (one < 0 || other < 0) return std::max(one, other);
  return std::min(one, other);
}

std::uint64_t start_boottime_ns(std::uint64_t ticks) {
  return ticks * (1'000'000'000 / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)));
}

}  // namespace

Daemon::Daemon(RunOptions options)
    : options_(std::move(options)),
      signals_(block_and_open_signals()),
      log_(STDOUT_FILENO),
      pods_([this](const std::string& path) { events_.prefetch(path); }),
      events_(log_, pods_),
      status_(
          events_.kills(), [this](metrics::Exposition& out) { collect_detectors(out); },
          [this] { return canaries_.states(); }, [this] { return rollout_.states(); }) {
  events_.kills().when_added([this] { status_.sample_if_due(); });
}

// Also after a start that has failed half way: its threads use what would be destroyed before them.
Daemon::~Daemon() {
  canaries_.stop();
  if (responses_) responses_->stop();
  pods_.stop();
  events_.stop();
}

void Daemon::log(config::LogLevel level, std::string_view event, JsonLine line) {
  if (level < config_.log.level) return;
  log_.write(line.finish(event, config::level_word(level)));
}

void Daemon::log_warnings(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    JsonLine line;
    line.add("action", "config-warning");
    log(config::LogLevel::kWarning, warning, std::move(line));
  }
}

Result<config::Config> Daemon::load_configuration(std::vector<std::string>& errors,
                                                  std::vector<std::string>& warnings) {
  config::LoadResult loaded = config::load_files(
      options_.files, {.before_lists = [this](const auto& patterns) { watch_lists(patterns); },
                       .overrides = options_.overrides,
                       .identities = options_.identities});
  if (!loaded) {
    for (const config::Diagnostic& diagnostic : loaded.error())
      errors.push_back(to_string(diagnostic));
    return fail(errors.empty() ? "the configuration is wrong" : errors.front(), ExitCode::kConfig);
  }
  for (const config::Diagnostic& diagnostic : loaded->warnings)
    warnings.push_back(to_string(diagnostic));
  config::Config config = std::move(loaded->config);
  if (!options_.scopes.empty()) config.scope.cgroups = options_.scopes;
  if (!options_.metrics_listen.empty()) config.metrics.listen = options_.metrics_listen;
  if (options_.control_socket) config.control.socket = *options_.control_socket;
  if (options_.pins) config.pins.directory = *options_.pins;
  if (options_.scan_interval_s) config.execwhacker.scan_interval_s = *options_.scan_interval_s;
  if (options_.canary_interval_s) config.canary.interval_s = *options_.canary_interval_s;
  if (options_.log_level) config.log.level = *options_.log_level;
  config.dry_run = config.dry_run || options_.dry_run;
  // A detector that is off has no rules; its hook then finds nothing, and can be given rules by a
  // reload.
  if (!config.execwhacker.enabled) config.execwhacker.groups.clear();
  for (std::string& warning : rollout_.decide(config)) warnings.push_back(std::move(warning));
  return config;
}

std::vector<std::string> Daemon::watched_files() const {
  std::vector<std::string> paths = options_.files;
  paths.insert(paths.end(), options_.identities.begin(), options_.identities.end());
  return config::watch_patterns(paths);
}

// Lists are watched from before they are read, also those of a configuration that turns out wrong:
// when they are mended it is tried again.
void Daemon::watch_lists(const std::vector<std::string>& patterns) {
  std::vector<std::string> all = watched_files();
  all.insert(all.end(), patterns.begin(), patterns.end());
  const auto watch = [&]() -> Result<void> {
    if (!watcher_) {
      watcher_ = TRY(config::FileWatcher::create(all));
      return {};
    }
    return watcher_->watch(all);
  };
  const Result<void> watched = watch();
  if (watched) return;
  JsonLine line;
  line.add("action", "config-warning").add("reason", watched.error().message);
  log(config::LogLevel::kWarning,
      "Lists of addresses cannot be watched; send SIGHUP after a change", std::move(line));
}

Result<Daemon::Prepared> Daemon::prepare(const config::Config& config, std::uint32_t generation) {
  Bait bait = canaries_.bait(config);
  Prepared out{
      .rules = TRY(detect::ExecRules::compile(config.execwhacker, generation, bait.word)),
      .flow = TRY(Flow::prepare(config.tcpflowkiller, generation, bait.address, flow_.get())),
      .bait = std::move(bait)};
  if (out.rules->canary_groups() == 0) out.bait.word.clear();
  return out;
}

Result<void> Daemon::apply(const config::Config& config, Prepared prepared) {
  const std::shared_ptr<detect::ExecRules>& rules = prepared.rules;
  const container::Scope scope = TRY(container::Scope::resolve(config.scope));
  const detect::ExecSettings settings{
      .rules = rules,
      .kill_groups = config.dry_run ? 0 : rules->kill_groups(),
      .limit = config.execwhacker.limit,
      .include = TRY(kernel_scope(scope.include())),
      .exclude = TRY(kernel_scope(scope.exclude())),
      .scan_interval_s = config.execwhacker.scan_interval_s,
  };
  enforcer_->set_policy(std::make_shared<enforce::Policy>(
      enforce::Policy{.kill_groups = settings.kill_groups,
                      .scope = scope,
                      .may_touch = [this](pid_t pid, const std::string& cgroup) {
                        return pods_.may_touch(pid, cgroup);
                      }}));
  TRY(pods_.use(standing_settings(config)));
  audit_->set_max_command_line_bytes(config.log.max_command_line_bytes);
  audit_->set_dry_run(config.dry_run);
  audit_->set_log_level(config.log.level);
  responses_->use(config);
  takeover_.set(config.pins);
  TRY(monero_.apply(config));
  TRY(exec_->apply(settings));
  if (guard_) {
    // A successor is where this one is: of a scope that has it in it, mount namespaces say nothing.
    guard_->set_containers_only(scope.contains(proc::ProcReader().read_cgroup(getpid())));
    guard_->enforcement().set_scope(settings.include, settings.exclude);
  }
  events_.use_rules(rules, config.log.reveal_rules || options_.reveal);
  apply_flow(config, std::move(prepared.flow));
  tell_guard();
  notifications_.use(config.webhook);
  events_.use(config.containers);
  enabled_[0] = config.execwhacker.enabled;
  enabled_[1] = config.monero.enabled;
  enabled_[2] = config.tcpflowkiller.enabled;
  rules_ = rules->size();
  patterns_ = rules->allow_list().patterns();
  executables_ = rules->allow_list().executables();
  generation_ = rules->generation();
  loaded_at_ = static_cast<std::int64_t>(unix_time());
  status_.use(config);
  log_rollouts(rollout_.use());
  return {};
}

void Daemon::apply_flow(const config::Config& config, Flow::Prepared prepared) {
  const bool was_up = flow_->up();
  const Result<void> applied =
      flow_->apply(config, std::move(prepared), exec_->program().enforcement().shared());
  if (!applied) {
    if (!flow_unavailable_) log_unavailable("tcpflowkiller", applied.error());
    flow_unavailable_ = true;
    return;
  }
  flow_unavailable_ = false;
  status_.set_unavailable("tcpflowkiller", "");
  for (const Lack each :
       {Lack::kConnectState, Lack::kNetAdmin, Lack::kConnectRefusal, Lack::kConnectKill})
    status_.clear_lack(each);
  if (!flow_->up()) return;
  status_.set_connect_hooks(flow_->hooks(), flow_->why_not_lsm().empty());
  if (!was_up && !flow_->why_not_lsm().empty())
    no_addition(Lack::kConnectByLsm, "tcpflowkiller", flow_->why_not_lsm());
  if (flow_->hooks() == config.tcpflowkiller.hooks) return;
  const Lack what = !status::granted(Lack::kNetAdmin)                  ? Lack::kNetAdmin
                    : flow_->hooks() == config::ConnectHooks::kObserve ? Lack::kConnectRefusal
                                                                       : Lack::kConnectKill;
  if (was_up) return status_.set_lack(what, flow_->why_not_better());
  lack(what, "tcpflowkiller", flow_->why_not_better());
}

Result<void> Daemon::start() {
  const std::uint64_t begin = monotonic_ns();
  if (!options_.files.empty()) watcher_ = TRY(config::FileWatcher::create(watched_files()));
  // The verifier's work and the rules' are the two long steps; they need nothing of each other.
  std::optional<Result<std::unique_ptr<detect::ExecProgram>>> program;
  std::jthread loader([&program] { program.emplace(detect::ExecProgram::load()); });
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
  Result<config::Config> config = load_configuration(errors, warnings);
  if (!config) {
    std::string all;
    for (const std::string& error : errors) all += (all.empty() ? "" : "\n") + error;
    return fail(all.empty() ? config.error().message : all, ExitCode::kConfig);
  }
  log_warnings(warnings);
  Prepared prepared = TRY(prepare(*config, ++generation_));
  Bait bait = std::move(prepared.bait);
  loader.join();
  if (!*program && container::runs_in_pod()) return stand_by(std::move(*config), program->error());
  std::unique_ptr<detect::ExecProgram> loaded = TRY(std::move(*program));

  limit_.use(&loaded->enforcement());
  enforcer_ = std::make_unique<enforce::Enforcer>(limit_);
  const proc::ProcReader reader;
  for (const auto& [pid, ticks] : enforcer_->protected_pids()) {
    TRY(loaded->enforcement().protect(pid, start_boottime_ns(ticks)));
  }
  responses_ = std::make_unique<Responses>(
      events_, pods_,
      [this](const enforce::ProcessId& process) { return enforcer_->refusal(process); });
  audit_ = std::make_unique<ExecAudit>(*enforcer_, events_, *responses_, trap_);
  audit_->when_held([this](std::string_view group) { rollout_.would_have_killed(group); });
  exec_ = std::make_unique<detect::ExecDetector>(
      std::move(loaded), [this](const detect::Finding& finding) { return audit_->handle(finding); },
      [this](const std::string& cgroup, detect::Subject& out) { pods_.locate(cgroup, out); });
  exec_->before_scans([this] {
    pods_.refresh();
    status_.sample_if_due();
  });
  load_monero();
  flow_ = std::make_unique<Flow>(events_, pods_, *responses_, trap_, takeover_,
                                 [this](const Error& error) { cannot_pin(error); });
  flow_->when_held([this](std::string_view group, const detect::FlowFinding&, enforce::Outcome) {
    rollout_.would_have_killed(group);
  });
  events_.use(config->containers);
  TRY(pods_.use(standing_settings(*config)));
  pods_.start(exec_->program().enforcement());
  log_what_is_missing();
  load_guard(*config);
  if (const Result<void> opened = takeover_.use(config->pins); !opened) cannot_pin(opened.error());
  if (const Result<void> closed = takeover_.before_attach(exec_->program().pinnable()); !closed)
    cannot_pin(closed.error());
  TRY(apply(*config, std::move(prepared)));
  TRY(serve(*config));
  TRY(exec_->start());
  attach_guard();
  take_over();
  exec_->start_scans();
  up_ = true;
  const std::string& why_not_refused = exec_->program().why_not_refused();
  status_.set_execs_refused(why_not_refused.empty());
  if (!why_not_refused.empty()) no_addition(Lack::kExecRefusal, "execwhacker", why_not_refused);
  start_monero();
  tell_guard();  // that was the last of its hooks
  prove(*config, std::move(bait));
  keep(std::move(*config));
  ++reloads_ok_;
  status_.started();
  JsonLine line;
  line.add("action", "ready")
      .add("banned_strings", rules_.load())
      .add("allowed_patterns", patterns_.load())
      .add("scope_cgroups", static_cast<std::uint64_t>(config_.scope.cgroups.size()))
      .add("dry_run", config_.dry_run)
      .add("startup_ms", static_cast<double>(monotonic_ns() - begin) / 1e6);
  log(config::LogLevel::kInfo, "Watching for processes we don't like...", std::move(line));
  manager_.ready(status_line(""));
  malloc_trim(0);  // what reading and compiling the rules took
  return {};
}

// The rules' texts are in ExecRules.
void Daemon::keep(config::Config config) {
  config_ = std::move(config);
  config_.execwhacker.groups = {};
  config_.tcpflowkiller = {};
  // Nobody looks at it where no metrics are served.
  run_statistics_.use(!config_.metrics.listen.empty() && config_.metrics.bpf_statistics);
}

void Daemon::reload() {
  if (!exec_) return;  // stand_by
  manager_.reloading();
  const std::uint64_t begin = monotonic_ns();
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
  const auto attempt = [&]() -> Result<void> {
    config::Config config = TRY(load_configuration(errors, warnings));
    Prepared prepared = TRY(prepare(config, generation_ + 1));
    Bait bait = std::move(prepared.bait);
    TRY(apply(config, std::move(prepared)));
    prove(config, std::move(bait));
    warn_of_what_needs_a_start(config_, config, warnings);
    keep(std::move(config));
    return {};
  };
  const Result<void> result = attempt();
  log_warnings(warnings);
  reload_ok_ = result.has_value();
  JsonLine line;
  if (result) {
    ++reloads_ok_;
    line.add("action", "reloaded")
        .add("banned_strings", rules_.load())
        .add("generation", generation_.load())
        .add("reload_ms", static_cast<double>(monotonic_ns() - begin) / 1e6);
    log(config::LogLevel::kInfo, "Configuration reloaded", std::move(line));
  } else {
    ++reloads_failed_;
    if (errors.empty()) errors.push_back(result.error().message);
    line.add("action", "reload-failed").add("errors", errors);
    status_.reload_failed(errors);
    log(config::LogLevel::kError, "Configuration not reloaded; the last good one stays in force",
        std::move(line));
  }
  manager_.ready(status_line(result ? "" : errors.front()));
  malloc_trim(0);
}

Result<void> Daemon::loop() {
  for (;;) {
    std::array<pollfd, 3> waited{
        pollfd{.fd = signals_.get(), .events = POLLIN, .revents = 0},
        pollfd{.fd = watcher_ ? watcher_->fd() : -1, .events = POLLIN, .revents = 0},
        pollfd{.fd = health_.fd(), .events = POLLIN, .revents = 0},
    };
    if (poll(waited.data(), waited.size(),
             sooner(sooner(rollout_.wait_ms(), manager_.wait_ms(monotonic_ns())),
                    takeover_.wait_ms(monotonic_ns()))) < 0 &&
        errno != EINTR)
      return fail_errno("poll", errno);
    manager_.alive(monotonic_ns());
    tick_rollout();
    if (exec_ && takeover_.due(monotonic_ns())) take_over();
    bool changed = false;
    if ((waited[0].revents & POLLIN) != 0) {
      signalfd_siginfo info{};
      if (read(signals_.get(), &info, sizeof info) != sizeof info)
        return fail_errno("signalfd", errno);
      if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) return {};
      changed = true;
    }
    if ((waited[1].revents & POLLIN) != 0) {
      changed = watcher_->drain() || changed;
      for (int i = 0; changed && i < kMaxQuietWaits && poll(&waited[1], 1, kQuietMs) > 0; ++i) {
        static_cast<void>(watcher_->drain());
      }
    }
    if (changed) reload();
    if ((waited[2].revents & POLLIN) != 0) health_.answer();
  }
}

Result<void> Daemon::run() {
  if (!signals_) return fail_errno("signalfd", errno);
  if (Result<void> started = start(); !started) {
    manager_.status("Not started: " + started.error().message);
    return started;
  }
  Result<void> result = loop();
  manager_.stopping();
  server_.reset();
  run_statistics_.stop();
  canaries_.stop();
  monero_.stop();
  takeover_.stop();
  if (flow_) flow_->stop();
  if (exec_) exec_->stop();
  if (responses_) responses_->stop();
  pods_.stop();
  events_.stop();
  const std::uint64_t undelivered = notifications_.stop();
  static_cast<void>(rollout_.save(true));
  JsonLine stopped;
  stopped.add("action", "stopped");
  if (undelivered > 0) stopped.add("webhook_undelivered", undelivered);
  log(config::LogLevel::kInfo, "Stopped", std::move(stopped));
  return result;
}

}  // namespace cryptnono::app
