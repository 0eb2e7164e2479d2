// CgroupEvents: the kernel side that tells of new cgroups (bpf/cgroup_watch.bpf.c). The only user
// of its skeleton.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "kernel/ring_buffer.h"
#include "kernel/run_statistics.h"

namespace cryptnono::kernel {

class CgroupEvents {
 public:
  // `id` carries CGROUP_ID_V1 in the v1 hierarchy; `path` is from the hierarchy's root, "" if it is
  // longer than 1023 bytes.
  using Handler = std::function<void(std::uint64_t id, std::string_view path)>;

  // From here on new cgroups of v2, and of the v1 hierarchy with this number (/proc/PID/cgroup; 0:
  // none), are kept for consume(). Errors: the hook is refused.
  static Result<std::unique_ptr<CgroupEvents>> start(int v1_number, Handler handler);
  ~CgroupEvents();
  CgroupEvents(const CgroupEvents&) = delete;
  CgroupEvents& operator=(const CgroupEvents&) = delete;

  // Hands what is there to the handler. One thread.
  void consume();
  [[nodiscard]] int epoll_fd() const;
  // Cgroups that were made and not told: look at all of them. Any thread.
  [[nodiscard]] std::uint64_t lost() const;
  [[nodiscard]] ProgramRuns runs() const;

 private:
  struct State;
  explicit CgroupEvents(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cryptnono::kernel
