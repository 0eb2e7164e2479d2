// Subject: the process that a detector has something to say about. What every detector's finding
// says of it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bpf/api/origin.h"
#include "container/protection.h"
#include "proc/proc_reader.h"

namespace cryptnono::detect {

struct Ancestor {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;
  uid_t uid = 0;
  std::string comm;
  std::uint64_t cgroup_id = 0;  // v2; 0: not known
  std::uint32_t level = 0;      // of its pid namespace
  pid_t innermost_pid = 0;      // there
};

// Where a process came from at the moment of the event.
struct Origin {
  std::string cgroup;       // path in v2; "" if not known
  std::string cgroup_v1;    // the same in the v1 hierarchy where containers are told apart, if any
  std::uint32_t level = 0;  // of the process's pid namespace
  std::vector<Ancestor> ancestors;  // the parent first
};

struct Subject {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  // with pid: the identity of the process
  pid_t ppid = 0;
  uid_t uid = 0;
  std::string comm;
  std::string path;              // of the executable
  std::string argv;              // NUL after each argument
  std::uint64_t argv_bytes = 0;  // of the whole command line; more than argv.size() if that is cut
  std::uint64_t cgroup_id = 0;   // v2; 0: not known
  std::uint64_t unit = 0;        // of the blast-radius limit
  Origin origin;
  // What the kernel side has said: it is protected.
  container::Spared spared = container::Spared::kNot;
  // It happened while no daemon was there: an earlier one's kernel side did it, and tells of it.
  bool unattended = false;
};

// The daemon before this one, of whose kernel side there are records left.
struct EarlierDaemon {
  std::uint64_t died_ns = 0;        // CLOCK_MONOTONIC; 0: not known
  std::uint64_t canary_cgroup = 0;  // what happened in it was its own proof
};

// Of a record of the kernel side: who it was, and where it came from. Sets pid, start_ticks, ppid,
// uid, comm, cgroup_id and origin.
void read_origin(const origin& record, Subject& out);

// Fills in the unit and origin.cgroup_v1 of a process whose /proc/PID/cgroup reads so. Any thread.
using Locate = std::function<void(const std::string& proc_cgroup, Subject& out)>;

// All that /proc says of a process now. False: it is gone.
bool read_subject(const proc::ProcReader& reader, pid_t pid, const Locate& locate, Subject& out);

}  // namespace cryptnono::detect
