// Health: is the main loop alive? Asked from another thread, without a watch that wakes up.
//
// Each probe pings the main loop through a descriptor and is answered by what became of the ping
// before it: so a loop that hangs is found by the first probe that comes kPatienceNs after one that
// it did not answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/fd.h"

namespace cryptnono::app {

class Health {
 public:
  // A reload with a million addresses takes a quarter of a second (measured).
  static constexpr std::uint64_t kPatienceNs = 10'000'000'000;

  Health();

  // Of the main loop: readable when there is a ping to answer.
  [[nodiscard]] int fd() const { return event_.get(); }
  void answer();

  // Any thread. "" if the main loop is alive at `now_ns` (CLOCK_MONOTONIC); else what is wrong.
  std::string probe(std::uint64_t now_ns);

 private:
  Fd event_;
  std::atomic<std::uint64_t> asked_ns_ = 0;  // of the ping that is not answered; 0: none
};

}  // namespace cryptnono::app
