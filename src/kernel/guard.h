// Guard: keeps containers from tampering with the daemon, its BPF objects and its pins, as far as
// BPF LSM allows (bpf/guard.bpf.c, docs/adr/0020-guard.md). The only user of its skeleton.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/api/guard.h"
#include "kernel/enforcement.h"
#include "kernel/pins.h"

namespace cryptnono::kernel {

// One thread, but for refused(), which any may call.
class Guard {
 public:
  // Loads those programs that this kernel takes, and makes the calling process the one that is
  // guarded. `shared`: of the object whose containers count. Errors: BPF LSM is not active, or no
  // program can be loaded.
  static Result<std::unique_ptr<Guard>> load(const SharedMaps& shared);
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // Who is kept off: scope and places.
  [[nodiscard]] const Enforcement& enforcement() const;
  // Only who is known to be in a container, whatever the rules for places say. Else a mount
  // namespace of its own is enough, which services of systemd have, too.
  void set_containers_only(bool only);
  // From here on it refuses. Errors: not even one hook could be had.
  Result<void> attach();
  // The hooks that could not be had, each with its reason; empty if there is none.
  [[nodiscard]] std::string missing() const;
  [[nodiscard]] Pinnable pinnable();

  // Guards what this process holds: call when objects have been attached or replaced. What it makes
  // later the kernel side sees, but for links.
  Result<void> guard_objects();
  // Guards names in these directories of pins, at most GUARD_DIRECTORIES, and in no others.
  void guard_directories(const std::vector<std::string>& paths);

  [[nodiscard]] std::uint64_t refused(guard_target target) const;

 private:
  struct State;
  explicit Guard(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cryptnono::kernel
