// KernelLimit: the blast-radius limit that a BPF object keeps, for what user space kills: both
// count together.
#pragma once

#include <mutex>

#include "enforce/enforcer.h"
#include "kernel/enforcement.h"

namespace cryptnono::app {

// Any thread.
class KernelLimit : public enforce::BlastLimit {
 public:
  // From here on asks this one, which must live until the next call. Null: nothing is admitted.
  void use(kernel::Enforcement* kernel) {
    const std::lock_guard lock(mutex_);
    kernel_ = kernel;
  }
  bool admit(std::uint32_t group, std::uint64_t unit) override {
    const std::lock_guard lock(mutex_);
    if (kernel_ == nullptr) return false;
    const Result<bool> answer = kernel_->admit(group, unit);
    return answer && *answer;
  }
  [[nodiscard]] enforce::LimitState state() const override {
    const std::lock_guard lock(mutex_);
    if (kernel_ == nullptr) return {};
    const auto [units, most] = kernel_->limit_use();
    return {.targets = units, .max_targets = most};
  }

 private:
  mutable std::mutex mutex_;
  kernel::Enforcement* kernel_ = nullptr;  // guarded by mutex_
};

}  // namespace cryptnono::app
