#include "detect/fpu/fpu_detector.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/clock.h"

namespace cryptnono::detect {

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
// How often suspects are judged while they are sampled, and looked after else.
constexpr int kJudgeMs = 30;
constexpr int kCareMs = 1000;
// A process that was cleared is not sampled on purpose for so long, the double each time.
constexpr std::uint64_t kFirstPause = kSecond;
constexpr std::uint64_t kLongestPause = 64 * kSecond;
// Suspicion that no sample has confirmed for so long ends.
constexpr std::uint64_t kForgetAfter = 60 * kSecond;
// A process that stays undecided so long is sampled by turns like one that was cleared.
constexpr std::uint64_t kUndecided = 30 * kSecond;
// Evidence that a container's former processes leave behind halves in this time.
constexpr double kInheritedHalfLife = 60e9;
// Bounds what a process with very many threads costs; more would tell nothing new.
constexpr std::size_t kMaxThreads = 64;
constexpr std::size_t kMaxProcesses = 1024;

}  // namespace

struct FpuDetector::Suspect {
  std::uint64_t start_boottime_ns = 0;
  fpu_thread evidence{};
};

struct FpuDetector::Process {
  ProcessKey key;
  std::map<pid_t, Suspect> threads;
  bool active = false;
  bool done = false;  // found and handed over
  std::uint64_t active_since = 0;
  std::uint64_t paused_until = 0;
  std::uint64_t pause = kFirstPause;
  std::uint64_t first_ns = 0, last_ns = 0;
  std::uint32_t modes = 0;
  bool told_spared = false;
  double highest_score = 0;
  FpuProcess evidence;
  std::uint32_t samples = 0;
  std::uint32_t uid = 0;
  std::uint64_t cgroup_id = 0;
};

struct FpuDetector::Inherited {
  FpuCounts counts;
  std::uint64_t at = 0;
};

FpuDetector::FpuDetector(std::unique_ptr<FpuProgram> program, FpuSink sink, Locate locate)
    : program_(std::move(program)),
      sink_(std::move(sink)),
      locate_(std::move(locate)),
      sampler_(*program_),
      stop_fd_(eventfd(0, EFD_CLOEXEC)) {}

FpuDetector::~FpuDetector() { stop(); }

void FpuDetector::apply(const FpuSettings& settings) {
  program_->set_scope(settings.include, settings.exclude);
  const std::lock_guard lock(mutex_);
  settings_ = settings;
  enabled_ = settings.enabled;
  sampling_ = settings.active_sampling;
}

Result<void> FpuDetector::start() {
  events_ = std::make_unique<kernel::RingBuffer>(
      TRY(program_->events([this](std::span<const std::byte> record) { on_event(record); })));
  TRY(program_->attach());
  thread_ = std::thread([this] { run(); });
  sampler_.start();
  return {};
}

void FpuDetector::stop() {
  if (!thread_.joinable()) return;
  program_->detach();
  sampler_.stop();
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stop_fd_.get(), &one, sizeof one);
  thread_.join();
}

// A miner runs meanwhile: ahead of everything that is not real-time.
void FpuDetector::run() {
  pthread_setname_np(pthread_self(), "fpu-judge");
  const sched_param priority{.sched_priority = 1};
  sched_setscheduler(0, SCHED_FIFO, &priority);
  std::array<pollfd, 2> waited{
      pollfd{.fd = events_->epoll_fd(), .events = POLLIN, .revents = 0},
      pollfd{.fd = stop_fd_.get(), .events = POLLIN, .revents = 0},
  };
  for (;;) {
    const bool any_active = std::any_of(processes_.begin(), processes_.end(),
                                        [](const auto& entry) { return entry.second.active; });
    sampler_.set_suspicion(any_active && sampling_);
    poll(waited.data(), waited.size(), any_active ? kJudgeMs : processes_.empty() ? -1 : kCareMs);
    if ((waited[1].revents & POLLIN) != 0) return;
    events_->consume();
    judge_all();
  }
}

void FpuDetector::on_event(std::span<const std::byte> record) {
  fpu_event event = {};
  if (record.size() < sizeof event || !enabled_) return;
  std::memcpy(&event, record.data(), sizeof event);
  const auto evidence = program_->thread(static_cast<pid_t>(event.tid));
  if (!evidence || evidence->start_boottime_ns != event.start_boottime_ns) return;
  const ProcessKey key{event.pid, evidence->process_start_ns};
  if (!processes_.contains(key) && processes_.size() >= kMaxProcesses) drop_oldest_process();
  const std::uint64_t now = monotonic_ns();
  Process& process = processes_[key];
  process.key = key;
  if (process.first_ns == 0) process.first_ns = evidence->first_ns;
  process.uid = evidence->uid;
  process.cgroup_id = evidence->cgroup_id;
  const auto tid = static_cast<pid_t>(event.tid);
  if (process.threads.size() >= kMaxThreads && !process.threads.contains(tid))
    drop_weakest_thread(process);
  process.threads[tid] = {.start_boottime_ns = event.start_boottime_ns, .evidence = *evidence};
  const std::uint32_t before = process.modes;
  process.modes |= event.modes;
  if (process.done) return;
  // A pause ends early when the last of the four modes shows: what was cleared has changed.
  constexpr std::uint32_t kAll = (1U << FPU_MODES) - 1;
  const bool completed = before != kAll && process.modes == kAll;
  if (process.active) {
    program_->set_active(tid, sampling_);
  } else if (now >= process.paused_until || completed) {
    set_active(process, true);
  }
}

// Who starts many threads or processes that show a little must not keep others from being seen.
void FpuDetector::drop_weakest_thread(Process& process) {
  const auto score = [](const auto& entry) {
    return modes_score(counts_of(entry.second.evidence).all);
  };
  const auto weakest = std::min_element(
      process.threads.begin(), process.threads.end(),
      [&score](const auto& one, const auto& other) { return score(one) < score(other); });
  program_->set_active(weakest->first, false);
  process.threads.erase(weakest);
}

void FpuDetector::drop_oldest_process() {
  const auto rank = [](const auto& entry) {
    return std::pair(entry.second.active, entry.second.last_ns);
  };
  const auto oldest = std::min_element(
      processes_.begin(), processes_.end(),
      [&rank](const auto& one, const auto& other) { return rank(one) < rank(other); });
  forget(oldest->second);
  processes_.erase(oldest);
}

void FpuDetector::set_active(Process& process, bool active) {
  if (active && !process.active) process.active_since = monotonic_ns();
  process.active = active;
  const bool sample = active && sampling_;
  for (const auto& [tid, suspect] : process.threads) program_->set_active(tid, sample);
}

void FpuDetector::judge_all() {
  const std::uint64_t now = monotonic_ns();
  for (auto it = processes_.begin(); it != processes_.end();) {
    Process& process = it->second;
    const bool there = read_threads(process, now);
    if (there && !process.done) judge_process(process, now);
    if (!there || elapsed_ns(now, process.last_ns) > kForgetAfter) {
      if (!process.done) bequeath(process, now);
      forget(process);
      it = processes_.erase(it);
    } else {
      ++it;
    }
  }
  std::erase_if(inherited_, [now](const auto& entry) {
    return now - entry.second.at > static_cast<std::uint64_t>(10 * kInheritedHalfLife);
  });
  suspects_ = processes_.size();
}

// Brings the evidence up to date; false if the process is gone.
bool FpuDetector::read_threads(Process& process, std::uint64_t now) {
  if (!process.active && !process.done && now < process.paused_until) {
    // Nothing to be judged now; only whether it is still there.
    return reader_.read_stat(static_cast<pid_t>(process.key.first)).has_value();
  }
  process.evidence.threads.clear();
  process.samples = 0;
  for (auto& [tid, suspect] : process.threads) {
    const auto fresh = program_->thread(tid);
    if (fresh && fresh->start_boottime_ns == suspect.start_boottime_ns) suspect.evidence = *fresh;
    process.evidence.threads.push_back(counts_of(suspect.evidence));
    process.samples += suspect.evidence.samples;
    process.last_ns = std::max<std::uint64_t>(process.last_ns, suspect.evidence.last_ns);
  }
  process.evidence.span_ns = process.last_ns - std::min(process.first_ns, process.last_ns);
  return reader_.read_stat(static_cast<pid_t>(process.key.first)).has_value();
}

void FpuDetector::judge_process(Process& process, std::uint64_t now) {
  if (!process.active) {
    if (process.paused_until != 0 && now >= process.paused_until) {
      process.paused_until = 0;
      // Only if it still shows something: an idle suspect is left alone.
      if (elapsed_ns(now, process.last_ns) < 2 * kSecond) set_active(process, true);
    }
    return;
  }
  process.evidence.inherited = inherited_by(process, now);
  FpuJudgement judgement = judge(process.evidence);
  if (judgement.verdict != FpuVerdict::kRandomX && judgement.all_modes) {
    // Only now the memory is asked for: /proc is slower than all the rest.
    process.evidence.resident_bytes =
        reader_.read_resident_bytes(static_cast<pid_t>(process.key.first));
    judgement = judge(process.evidence);
  }
  process.highest_score = std::max(process.highest_score, judgement.score);
  switch (judgement.verdict) {
    case FpuVerdict::kRandomX:
      found(process, judgement, now);
      break;
    case FpuVerdict::kCleared:
      cleared(process, judgement, now);
      break;
    case FpuVerdict::kUndecided:
      if (now - process.active_since > kUndecided) {
        remember_score(process);
        pause(process, now);
      }
  }
}

FpuFinding FpuDetector::describe(const Process& process, const FpuJudgement& judgement,
                                 std::uint64_t now) const {
  FpuFinding finding;
  read_subject(reader_, static_cast<pid_t>(process.key.first), locate_, finding);
  finding.uid = process.uid;
  if (finding.cgroup_id == 0) finding.cgroup_id = process.cgroup_id;
  finding.counts = total_of(process.evidence);
  finding.score = judgement.score;
  finding.samples = process.samples;
  finding.threads = process.threads.size();
  finding.first_ns = process.first_ns;
  finding.span_ns = now - std::min(now, process.first_ns);
  finding.resident_bytes = reader_.read_resident_bytes(finding.pid);
  finding.why = judgement.why;
  return finding;
}

bool FpuDetector::exempt(const FpuFinding& finding) const {
  const std::lock_guard lock(mutex_);
  const auto& paths = settings_.exempt_executables;
  return std::find(paths.begin(), paths.end(), finding.path) != paths.end() &&
         reader_.executable_trusted(finding.pid);
}

void FpuDetector::found(Process& process, const FpuJudgement& judgement, std::uint64_t now) {
  FpuFinding finding = describe(process, judgement, now);
  // The identity that was sampled must be the one that is acted on.
  const std::uint64_t tick_ns = kSecond / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  if (finding.start_ticks != process.key.second / tick_ns) {
    process.done = true;
    set_active(process, false);
    return;
  }
  // A canary runs the daemon's own executable, which may be exempt.
  const bool canary = canary_cgroup_ != 0 && process.cgroup_id == canary_cgroup_;
  if (!canary && exempt(finding)) {
    finding.cleared = true;
    finding.why = "exempt executable";
  }
  process.done = sink_(finding) || finding.cleared;
  set_active(process, false);
  if (!process.done) pause(process, now);
}

// How near an honest program came to being killed.
void FpuDetector::remember_score(const Process& process) {
  if (process.highest_score > highest_spared_score_) highest_spared_score_ = process.highest_score;
}

void FpuDetector::pause(Process& process, std::uint64_t now) {
  set_active(process, false);
  process.paused_until = now + process.pause;
  process.pause = std::min(process.pause * 2, kLongestPause);
}

// A cleared process starts anew: its former evidence must not weigh for or against it later.
void FpuDetector::cleared(Process& process, const FpuJudgement& judgement, std::uint64_t now) {
  if (judgement.all_modes && !process.told_spared) {
    process.told_spared = true;
    FpuFinding finding = describe(process, judgement, now);
    finding.cleared = true;
    sink_(finding);
  }
  remember_score(process);
  forget(process);
  process.threads.clear();
  process.modes = 0;
  process.first_ns = 0;
  pause(process, now);
}

void FpuDetector::bequeath(const Process& process, std::uint64_t now) {
  const FpuCounts own = total_of(process.evidence);
  if (modes_score(own.flushed) <= fpu_model::kWorthInheriting) return;
  // Without flush-to-zero, several processes together prove nothing (docs/randomx.md).
  if (own.flushed[FPU_DOWN] + own.flushed[FPU_UP] + own.flushed[FPU_ZERO] <= 0) return;
  FpuCounts heritage = inherited_by(process, now);
  FpuCounts flushed = own;
  flushed.all = own.flushed;
  heritage += flushed;
  inherited_[{process.cgroup_id, process.uid}] = {.counts = heritage, .at = now};
}

FpuCounts FpuDetector::inherited_by(const Process& process, std::uint64_t now) {
  const auto entry = inherited_.find({process.cgroup_id, process.uid});
  if (entry == inherited_.end()) return {};
  FpuCounts counts = entry->second.counts;
  counts *= std::exp2(-static_cast<double>(now - entry->second.at) / kInheritedHalfLife);
  return counts;
}

void FpuDetector::forget(Process& process) {
  set_active(process, false);
  for (const auto& [tid, suspect] : process.threads) program_->forget(tid);
}

FpuDetector::Counters FpuDetector::counters() const {
  return {.program = program_->stats(),
          .suspects = suspects_,
          .highest_spared_score = highest_spared_score_};
}

}  // namespace cryptnono::detect
