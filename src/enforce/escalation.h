// Escalation: where kills happen again and again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "config/types.h"

namespace cryptnono::enforce {

// Counts kills by unit in a window that slides. Thread-safe. Remembers the kMaxUnits units that had
// the latest kills, and of each no more kills than are needed: at most 32 MiB (after: 1000), in
// practice some hundred KiB.
class Escalation {
 public:
  static constexpr std::size_t kMaxUnits = 4096;

  // `now_ns` is another clock in tests.
  explicit Escalation(std::function<std::uint64_t()> now_ns);
  Escalation();

  // Nothing: no kill counts. What was counted stays, as far as the new window reaches.
  void set(const std::optional<config::Escalation>& settings);

  // Counts a kill in `unit` (a container; outside of containers: a user). True: it is number
  // `after` or later within the window.
  bool count(std::uint64_t unit);

  [[nodiscard]] std::size_t units() const;

 private:
  struct Unit {
    std::uint64_t id = 0;
    std::vector<std::uint64_t> kills_ns;  // the oldest first
  };

  Unit& touch(std::uint64_t unit);

  std::function<std::uint64_t()> now_ns_;
  mutable std::mutex mutex_;
  std::optional<config::Escalation> settings_;  // guarded by mutex_, as all below
  std::list<Unit> units_;                       // the one with the latest kill first
  std::unordered_map<std::uint64_t, std::list<Unit>::iterator> index_;
};

}  // namespace cryptnono::enforce
