// Pins: one daemon's links, rings and `about` in a directory of bpffs, so that enforcement outlives
// the daemon, and those that earlier daemons left there (bpf/api/pins.h, docs/adr/0018-pins.md).
#pragma once

#include <bpf/libbpf.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "bpf/api/pins.h"

namespace cryptnono::kernel {

// The parts of one loaded object that matter here; they must outlive their use.
struct Pinnable {
  std::string_view name;  // "exec": its rings are map-exec-events and map-exec-decisions
  bpf_object_skeleton* skeleton = nullptr;
  pin_self* self = nullptr;
  bpf_map* active = nullptr;
  bpf_map* about = nullptr;   // one for all objects of a daemon
  bpf_map* events = nullptr;  // null: it has no rings
  bpf_map* decisions = nullptr;
  bpf_program* owner_exit = nullptr;  // of one object, attached by pin()
  bpf_link** owner_exit_link = nullptr;
};

// What an earlier daemon left.
struct Earlier {
  std::string path;  // of its epoch's directory
  pin_about about{};
  bool readable = false;  // its records are laid out as ours
  std::string version;    // what it called itself, for people
};

// One thread. At its end it removes what it has pinned, unless keep() was called.
class Pins {
 public:
  // Makes the directory if it is not there, and holds it: no other daemon can meanwhile. Errors, in
  // words for an operator: it is not in a bpffs, others than root may write there, somebody else's
  // objects are in it, another daemon holds it.
  static Result<std::unique_ptr<Pins>> open(const std::string& path, bool make = true);
  ~Pins();
  Pins(const Pins&) = delete;
  Pins& operator=(const Pins&) = delete;

  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  [[nodiscard]] const std::vector<Earlier>& earlier() const { return earlier_; }

  // Of one object, loaded and not attached: its hooks do nothing until switch_over(). Or, late, of
  // one that is attached.
  Result<void> close_gate(const Pinnable& object);
  // The reverse: its hooks are in force whatever is in `active`.
  static void open_gate(const Pinnable& object);
  // Writes `about`; before the first pin().
  Result<void> introduce(const Pinnable& object, std::string_view version, bool unattended_kills);
  void set_unattended(bool kills);
  void set_canary_cgroup(std::uint64_t id);
  // Pins what is attached and is not yet pinned.
  Result<void> pin(const Pinnable& object);
  // Before its links are destroyed for good.
  void unpin(const Pinnable& object);
  // From this one store on every earlier daemon's hooks do nothing, and ours are in force.
  Result<void> switch_over();
  // Waits until no run of a hook is under way that began before the call.
  [[nodiscard]] Result<void> wait_for_hooks(const Pinnable& object) const;
  // Hands what is in an earlier daemon's rings to `handler`, with the object's name. Call after
  // switch_over() and wait_for_hooks(). Returns the number of records; if it is not readable they
  // are only counted.
  using Handler = std::function<void(std::string_view object, std::span<const std::byte> record)>;
  static std::uint64_t drain(const Earlier& earlier, const Handler& handler);
  // As it is now: when it died, what it lost.
  static pin_about about_of(const Earlier& earlier);
  // Removes an earlier daemon's pins: its programs end. Returns how many links there were.
  static Result<std::size_t> remove(const Earlier& earlier);
  // Where names are: that of all daemons, and that of this one.
  [[nodiscard]] std::vector<std::string> directories() const { return {directory_, own()}; }
  // What is pinned stays at the end.
  void keep() { kept_ = true; }

 private:
  Pins(std::string directory, Fd lock) : directory_(std::move(directory)), lock_(std::move(lock)) {}
  Result<void> look();
  Result<void> open_active();
  [[nodiscard]] std::string own() const;
  [[nodiscard]] Result<void> pin_map(bpf_map* map, const std::string& name) const;
  void write_about() const;

  std::string directory_;
  Fd lock_;
  Fd active_;
  std::uint64_t epoch_ = 0;
  std::vector<Earlier> earlier_;
  pin_about about_{};
  bpf_map* about_map_ = nullptr;
  bool kept_ = false;
};

// 1 of the hooks' links: removes its pin too, if it has one.
void destroy_link(bpf_link*& link);

}  // namespace cryptnono::kernel
