// RecentKills: the last of those that were killed, or would have been.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string_view>
#include <vector>

#include "status/status.h"

namespace cryptnono::app {

// Any thread, but when_added().
class RecentKills {
 public:
  static constexpr std::size_t kKept = 50;
  // Longer texts are cut, for they are strangers': all together take 300 KiB at most.
  static constexpr std::size_t kMaxText = 1024;

  // `kill` finds its place by its time.
  void add(status::Kill kill);
  [[nodiscard]] std::vector<status::Kill> newest_first() const;
  // Before others use the object: called after each add(), on its thread.
  void when_added(std::function<void()> call) { added_ = std::move(call); }

  // At most kMaxText bytes of it, with "..." at the end if something is missing.
  static std::string cut(std::string_view text);

 private:
  std::function<void()> added_;
  mutable std::mutex mutex_;
  std::deque<status::Kill> kills_;  // the newest last; guarded by mutex_
};

}  // namespace cryptnono::app
