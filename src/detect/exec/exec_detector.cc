#include "detect/exec/exec_detector.h"

#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "base/clock.h"
#include "detect/exec/exec_record.h"
#include "kernel/table_map.h"

namespace cryptnono::detect {

namespace {

// Records of a replaced generation are read within milliseconds; this many reloads may happen in
// that time.
constexpr std::size_t kGenerationsKept = 8;
constexpr int kPollMs = 10'000;

// Waits for `ring_fd`; false when `stop_fd` is readable and the ring has been given its last
// chance.
bool wait_for_records(int ring_fd, int stop_fd) {
  std::array<pollfd, 2> waited{
      pollfd{.fd = ring_fd, .events = POLLIN, .revents = 0},
      pollfd{.fd = stop_fd, .events = POLLIN, .revents = 0},
  };
  // The time-out only makes up for a wake-up that the kernel could not deliver.
  poll(waited.data(), waited.size(), kPollMs);
  return (waited[1].revents & POLLIN) == 0;
}

// Of what the kernel side has decided: an EXEC_* other than EXEC_DECIDE.
Finding::Kind kind_in_kernel(std::uint32_t verdict) {
  switch (verdict) {
    case EXEC_KILLED:
      return Finding::Kind::kKilledInKernel;
    case EXEC_SPARED:
      return Finding::Kind::kProtected;
    default:
      return Finding::Kind::kReportedInKernel;
  }
}

// Of what was left to user space, which found something.
Finding::Kind kind_decided(Judgement::Verdict verdict) {
  return verdict == Judgement::Verdict::kSpared ? Finding::Kind::kSpared : Finding::Kind::kBanned;
}

}  // namespace

ExecDetector::ExecDetector(std::unique_ptr<ExecProgram> program, FindingSink sink, Locate locate)
    : program_(std::move(program)),
      sink_(std::move(sink)),
      locate_(std::move(locate)),
      stop_fd_(eventfd(0, EFD_CLOEXEC)) {}

ExecDetector::~ExecDetector() { stop(); }

Result<void> ExecDetector::apply(const ExecSettings& settings) {
  auto tables =
      std::make_shared<kernel::TableMap>(TRY(kernel::TableMap::create(settings.rules->tables())));
  settings.rules->use_tables(tables->bytes(), tables);
  {
    // Before the kernel can send records of it.
    const std::lock_guard lock(mutex_);
    generations_.push_back(settings.rules);
    if (generations_.size() > kGenerationsKept) generations_.erase(generations_.begin());
    scan_interval_s_ = settings.scan_interval_s;
  }
  program_->enforcement().set_scope(settings.include, settings.exclude);
  program_->enforcement().set_mode(settings.kill_groups, settings.limit);
  // The canaries' group belongs to the configuration where that has no canary: never both.
  const std::uint64_t canary = settings.rules->canary_groups();
  if (canary == 0) program_->enforcement().set_canary_groups(0);
  TRY(program_->put_in_force(*tables));
  program_->enforcement().set_canary_groups(canary);
  request_scan();  // what the new rules ban may be running
  return {};
}

Result<void> ExecDetector::start() {
  events_ = std::make_unique<kernel::RingBuffer>(
      TRY(program_->events([this](std::span<const std::byte> record) { on_event(record); })));
  decisions_ = std::make_unique<kernel::RingBuffer>(
      TRY(program_->decisions([this](std::span<const std::byte> record) { on_decision(record); })));
  threads_.emplace_back([this] { read_decisions(); });
  threads_.emplace_back([this] { read_events(); });
  return program_->attach();
}

void ExecDetector::start_scans() {
  threads_.emplace_back([this] { scan_forever(); });
}

void ExecDetector::stop() {
  if (threads_.empty()) return;
  program_->detach();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  scan_wake_.notify_all();
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stop_fd_.get(), &one, sizeof one);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

// A process that may have to die is running meanwhile: ahead of everything that is not real-time.
void ExecDetector::read_decisions() {
  pthread_setname_np(pthread_self(), "exec-decisions");
  const sched_param priority{.sched_priority = 1};
  real_time_ = sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
  std::uint64_t lost_before = 0;
  for (bool more = true; more;) {
    more = wait_for_records(decisions_->epoll_fd(), stop_fd_.get());
    decisions_->consume();
    const std::uint64_t lost = program_->stats().lost_decisions;
    if (lost != lost_before) request_scan();
    lost_before = lost;
  }
}

void ExecDetector::read_events() {
  pthread_setname_np(pthread_self(), "exec-events");
  for (bool more = true; more;) {
    more = wait_for_records(events_->epoll_fd(), stop_fd_.get());
    events_->consume();
  }
}

void ExecDetector::scan_forever() {
  pthread_setname_np(pthread_self(), "exec-scan");
  ExecScan scan(sink_, locate_);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    scan_requested_ = false;
    std::shared_ptr<const ExecRules> rules = generations_.back();
    lock.unlock();
    const std::uint64_t begin = monotonic_ns();
    if (before_scan_) before_scan_();
    scanned_ += scan.run(rules);
    ++scans_;
    last_scan_s_ = static_cast<double>(monotonic_ns() - begin) / 1e9;
    lock.lock();
    forget_generations(rules);
    const auto awake = [this] { return stopping_ || scan_requested_; };
    if (scan_interval_s_ > 0) {
      scan_wake_.wait_for(lock, std::chrono::duration<double>(scan_interval_s_), awake);
    } else {
      scan_wake_.wait(lock, awake);
    }
  }
}

// Records of generations older than the one that this scan used are long read: they are read as
// they come.
void ExecDetector::forget_generations(std::shared_ptr<const ExecRules>& used) {
  const auto found = std::find(generations_.begin(), generations_.end(), used);
  const bool any = found != generations_.begin();
  generations_.erase(generations_.begin(), found);
  used.reset();
  if (any) malloc_trim(0);  // walks the whole heap, so not after each scan
}

void ExecDetector::request_scan() {
  {
    const std::lock_guard lock(mutex_);
    scan_requested_ = true;
  }
  scan_wake_.notify_all();
}

std::shared_ptr<const ExecRules> ExecDetector::rules_of(std::uint32_t generation) const {
  const std::lock_guard lock(mutex_);
  for (const auto& rules : generations_) {
    if (rules->generation() == generation) return rules;
  }
  return nullptr;
}

void ExecDetector::on_event(std::span<const std::byte> record) {
  std::optional<ExecRecord> parsed = parse_exec_record(record);
  if (!parsed) return;
  Finding finding = finding_of(*parsed, rules_of(parsed->event.generation));
  finding.kind = kind_in_kernel(parsed->event.verdict);
  finding.limited = (parsed->event.flags & EXEC_LIMITED) != 0;
  sink_(finding);
}

void ExecDetector::on_decision(std::span<const std::byte> record) {
  std::optional<ExecRecord> parsed = parse_exec_record(record);
  if (!parsed) return;
  std::shared_ptr<const ExecRules> rules = rules_of(parsed->event.generation);
  if (!rules) {
    request_scan();
    return;
  }
  Finding finding = finding_of(*parsed, std::move(rules));
  decide(*parsed, finding);
  if (finding.judgement.verdict == Judgement::Verdict::kNothing) return;
  finding.kind = kind_decided(finding.judgement.verdict);
  sink_(finding);
}

void ExecDetector::take_over(std::span<const std::byte> record, const EarlierDaemon& earlier) {
  const std::optional<ExecRecord> parsed = parse_exec_record(record);
  if (!parsed) return;
  const exec_event& event = parsed->event;
  if (earlier.canary_cgroup != 0 && event.origin.self.cgroup_id == earlier.canary_cgroup) return;
  std::shared_ptr<const ExecRules> rules;
  {
    const std::lock_guard lock(mutex_);
    rules = generations_.back();
  }
  Finding finding = finding_of(*parsed, rules);
  finding.unattended = earlier.died_ns != 0 && event.time_ns >= earlier.died_ns;
  finding.limited = (event.flags & EXEC_LIMITED) != 0;
  finding.judgement = rules->judge(
      {.text = {.path = finding.path, .filename = finding.filename, .argv = finding.argv},
       .path_trusted = (event.flags & EXEC_PATH_TRUSTED) != 0});
  const Judgement::Verdict verdict = finding.judgement.verdict;
  if (event.verdict != EXEC_DECIDE) {
    finding.kind = kind_in_kernel(event.verdict);
  } else if (verdict == Judgement::Verdict::kNothing) {
    return;
  } else {
    finding.kind = kind_decided(verdict);
  }
  if (finding.judgement.rule == MATCH_NO_RULE) finding.rules = nullptr;
  sink_(finding);
}

ExecDetector::Counters ExecDetector::counters() const {
  return {.kernel = program_->stats(),
          .recursion_misses = program_->runs().recursion_misses,
          .scanned = scanned_,
          .scans = scans_,
          .last_scan_s = last_scan_s_,
          .real_time = real_time_};
}

}  // namespace cryptnono::detect
