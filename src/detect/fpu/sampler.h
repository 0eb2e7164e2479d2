// Sampler: makes samples where too few come by themselves.
//
// A sample is taken when a thread is switched out. The sampler's thread has the highest real-time
// priority and does nothing but sleep and wake, on the CPU where a suspect runs: each waking
// preempts the suspect for some microseconds. The moments are random, so that nobody can be in
// nearest mode just then. Without a suspect it wakes four times a second to see to CPUs on which
// hardly anything was sampled (a thread alone there is never switched out).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <latch>
#include <mutex>
#include <random>
#include <thread>

#include "detect/fpu/fpu_program.h"

namespace cryptnono::detect {

// Methods from any thread.
class Sampler {
 public:
  // `program` must outlive it.
  explicit Sampler(FpuProgram& program) : program_(program) {}
  ~Sampler() { stop(); }
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  // Returns when it is known whether real-time priority is to be had.
  void start();
  void stop();
  // Are there threads that were set active?
  void set_suspicion(bool suspicion);
  // False where real-time priority is not to be had: then it wakes at the best ordinary priority,
  // which preempts less surely.
  [[nodiscard]] bool real_time() const { return real_time_; }

 private:
  void run();
  void sample_suspects();
  void heartbeat();
  void visit(std::uint32_t cpu);
  void pause();

  FpuProgram& program_;
  std::thread thread_;
  std::latch priority_known_{1};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;   // guarded by mutex_
  bool suspicion_ = false;  // guarded by mutex_
  std::atomic<bool> real_time_ = false;

  // Of the thread.
  std::minstd_rand random_{std::random_device{}()};
  std::uint32_t cpu_ = ~0U;  // where it is bound
  std::uint32_t turn_ = 0;   // which of the targets is next
  int in_turn_ = 0;
  std::uint32_t idle_rounds_ = 0;  // wakings in a row that sampled nobody
};

}  // namespace cryptnono::detect
