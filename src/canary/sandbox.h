// Sandbox: a cgroup (v2) of the daemon's own, and canaries that run in it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace cryptnono::canary {

// One thread at a time.
class Sandbox {
 public:
  // Makes the cgroup in the first of `places` (directories of cgroup v2) that lets it: the top of
  // the hierarchy belongs to root, but only CAP_DAC_OVERRIDE may write there, and in the daemon's
  // own cgroup its owner may too. If none does, through a mount that nobody else sees (fsmount,
  // Linux 5.2; needs CAP_SYS_ADMIN). Removes those of daemons that are gone. The error says what
  // kept it from each.
  static Result<std::unique_ptr<Sandbox>> make(const std::vector<std::string>& places);
  // Removes it.
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  // As the kernel side calls it.
  [[nodiscard]] std::uint64_t cgroup_id() const { return cgroup_id_; }

  struct Run {
    bool killed = false;   // by SIGKILL, and not by this class
    bool stopped = false;  // the wait was given up
    double lived_s = 0;    // from before its fork to its end
    std::string how;       // not killed: what became of it, in words
  };
  // Runs this very program as `canary ARGUMENTS` in the cgroup, and waits until it ends, `timeout`
  // has passed, or `stop_fd` is readable; then it is dead in any case. The child dies with the
  // calling thread. It is made in the cgroup (clone3, Linux 5.7), or moves there by itself where a
  // container's seccomp profile forbids that.
  Result<Run> run(const std::vector<std::string>& arguments, std::chrono::milliseconds timeout,
                  int stop_fd);

 private:
  Sandbox(Fd parent, Fd cgroup, std::string name, std::uint64_t id, Fd program);

  Fd parent_;  // directory that holds the cgroup's
  Fd cgroup_;
  std::string name_;
  std::uint64_t cgroup_id_;
  Fd program_;  // what runs here, also when its file has been replaced
};

}  // namespace cryptnono::canary
