// What `demo` runs in: a cgroup, a directory, a daemon scoped to the cgroup, and children. All of
// it is removed by the destructors. One thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace cryptnono::commands {

// A cgroup (v2) that is emptied and removed at the end.
class Sandbox {
 public:
  static Result<Sandbox> create();
  Sandbox(Sandbox&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Sandbox& operator=(Sandbox&&) = delete;
  ~Sandbox();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Sandbox() = default;
  std::string path_;
};

// A directory for the victim and the configuration.
class WorkDirectory {
 public:
  static Result<WorkDirectory> create();
  WorkDirectory(WorkDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  WorkDirectory& operator=(WorkDirectory&&) = delete;
  ~WorkDirectory();
  [[nodiscard]] std::string victim() const { return path_ + "/victim"; }
  [[nodiscard]] std::string config() const { return path_ + "/demo.yaml"; }

 private:
  explicit WorkDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// A child of this process, killed and reaped at the end if it still runs.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(Child&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), output_(std::move(other.output_)) {}
  Child& operator=(Child&&) = delete;
  ~Child();
  // Waits for its end; its status as of waitpid(), 0 if it was waited for before.
  int wait();
  [[nodiscard]] pid_t pid() const { return pid_; }
  Fd& output() { return output_; }

 private:
  pid_t pid_;
  Fd output_;
};

struct Pipe {
  Pipe();
  Fd read, write;
};

// For a child between fork and exec: moves itself into the cgroup, or exits with status 126.
void join_or_exit(const std::string& cgroup);

// Starts this binary as the daemon, with its log in output(), and waits until it says that it is
// ready.
Result<Child> start_daemon(const std::string& scope, const std::string& config);

// Reads to the end.
std::string drain(Fd& fd);
// Number of lines that hold both.
std::size_t count_lines(const std::string& text, const std::string& one, const std::string& other);

}  // namespace cryptnono::commands
