#include "detect/fpu/sampler.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <chrono>

#include "base/clock.h"

namespace cryptnono::detect {

namespace {

using std::chrono::microseconds;

// Between samples of a suspect: 10 ms on average, never below FPU_MIN_GAP_NS, within
// FPU_MIX_GAP_NS.
constexpr int kShortestUs = 7000;
constexpr int kLongestUs = 13000;
// One suspect is sampled so often before the next one's turn.
constexpr int kSamplesInTurn = 8;
// When no suspect has run for so many rounds, it is enough to look less often.
constexpr std::uint32_t kPatientRounds = 100;
constexpr microseconds kSlowRound{40'000};
constexpr microseconds kHeartbeat{250'000};
constexpr std::uint64_t kHeartbeatNs = 240'000'000;  // ...while suspects keep it awake
// CPUs that one heartbeat sees to: bounds its cost on a machine of many busy CPUs.
constexpr std::size_t kVisitsPerHeartbeat = 2;

}  // namespace

void Sampler::start() {
  thread_ = std::thread([this] { run(); });
  priority_known_.wait();
}

void Sampler::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Sampler::set_suspicion(bool suspicion) {
  {
    const std::lock_guard lock(mutex_);
    if (suspicion_ == suspicion) return;
    suspicion_ = suspicion;
  }
  wake_.notify_all();
}

void Sampler::run() {
  pthread_setname_np(pthread_self(), "fpu-sampler");
  // Above every SCHED_FIFO thread but those of priority 99; it runs for microseconds.
  const sched_param priority{.sched_priority = sched_get_priority_max(SCHED_FIFO)};
  real_time_ = sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
  if (!real_time_) setpriority(PRIO_PROCESS, 0, -20);
  priority_known_.count_down();
  prctl(PR_SET_TIMERSLACK, 1UL);
  std::uint64_t last_heartbeat = 0;
  for (;;) {
    bool suspicion = false;
    {
      std::unique_lock lock(mutex_);
      if (!suspicion_) {
        wake_.wait_for(lock, kHeartbeat, [this] { return stopping_ || suspicion_; });
      }
      if (stopping_) return;
      suspicion = suspicion_;
    }
    const std::uint64_t now = monotonic_ns();
    if (now - last_heartbeat >= kHeartbeatNs) {
      last_heartbeat = now;
      heartbeat();
    }
    if (suspicion) sample_suspects();
  }
}

// Waking here was itself the sample of what ran on this CPU, and hides it from find_targets: the
// kernel's idea of what runs here is this thread. So it stays where samples come, for a turn.
void Sampler::sample_suspects() {
  const std::uint64_t before = program_.samples();
  if (idle_rounds_ >= kPatientRounds) std::this_thread::sleep_for(kSlowRound);
  pause();
  const bool sampled = program_.samples() != before;
  idle_rounds_ = sampled ? 0 : idle_rounds_ + 1;
  if (sampled && ++in_turn_ < kSamplesInTurn) return;
  in_turn_ = 0;
  const auto targets = program_.find_targets(false);
  if (targets.empty()) return;
  idle_rounds_ = 0;
  visit(targets[turn_++ % targets.size()].cpu);
}

void Sampler::heartbeat() {
  const auto targets = program_.find_targets(true);
  for (std::size_t i = 0; i < targets.size() && i < kVisitsPerHeartbeat; ++i) {
    visit(targets[turn_++ % targets.size()].cpu);
    // Three samples, of which RandomX shows at least one directed mode with 0.97.
    for (int more = 0; more < 2; ++more) pause();
  }
}

void Sampler::pause() {
  std::uniform_int_distribution<int> between(kShortestUs, kLongestUs);
  std::this_thread::sleep_for(microseconds(between(random_)));
}

// Binds the thread to the CPU. The kernel moves it there at once, which preempts what runs there.
void Sampler::visit(std::uint32_t cpu) {
  if (cpu == cpu_) return;  // it has just woken here, and so preempted what ran
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu >= CPU_SETSIZE) return;
  CPU_SET(cpu, &set);
  cpu_ = sched_setaffinity(0, sizeof set, &set) == 0 ? cpu : ~0U;
}

}  // namespace cryptnono::detect
