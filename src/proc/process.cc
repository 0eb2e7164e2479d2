#include "proc/process.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "proc/proc_reader.h"

namespace cryptnono::proc {

namespace {

// Fields after the name, from 0: state ppid pgrp session tty_nr tpgid flags ... starttime is the
// 22nd of all (proc(5)).
constexpr std::size_t kState = 0;
constexpr std::size_t kPpid = 1;
constexpr std::size_t kFlags = 6;
constexpr std::size_t kStartTime = 19;

template <typename T>
bool parse_number(std::string_view text, T& out) {
  return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc();
}

}  // namespace

std::optional<ProcStat> parse_stat(std::string_view text) {
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return std::nullopt;
  ProcStat stat;
  stat.comm = text.substr(open + 1, close - open - 1);
  text.remove_prefix(close + 1);
  for (std::size_t field = 0; field <= kStartTime; ++field) {
    const std::size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return std::nullopt;
    text.remove_prefix(begin);
    const std::string_view value = text.substr(0, text.find(' '));
    text.remove_prefix(value.size());
    bool ok = true;
    if (field == kState) stat.state = value.front();
    if (field == kPpid) ok = parse_number(value, stat.ppid);
    if (field == kFlags) ok = parse_number(value, stat.flags);
    if (field == kStartTime) ok = parse_number(value, stat.start_ticks);
    if (!ok) return std::nullopt;
  }
  return stat;
}

tl::expected<ProcessHandle, OpenError> ProcessHandle::open(pid_t pid, std::uint64_t start_ticks) {
  Fd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));  // close-on-exec by itself
  if (!fd) return tl::unexpected(errno == ESRCH ? OpenError::kGone : OpenError::kFailed);
  const std::optional<ProcStat> stat = ProcReader().read_stat(pid);
  if (!stat) return tl::unexpected(OpenError::kGone);
  if (stat->start_ticks != start_ticks) return tl::unexpected(OpenError::kOtherProcess);
  return ProcessHandle(pid, std::move(fd));
}

bool ProcessHandle::signal(int number) const {
  return syscall(SYS_pidfd_send_signal, fd_.get(), number, nullptr, 0) == 0;
}

bool ProcessHandle::wait_end(int timeout_ms) const {
  pollfd waited{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return poll(&waited, 1, timeout_ms) > 0;
}

bool in_initial_pid_namespace() {
  // It has a fixed inode number (PROC_PID_INIT_INO, include/linux/proc_ns.h).
  constexpr ino_t kInitial = 0xEFFFFFFC;
  struct stat status {};
  return stat("/proc/self/ns/pid", &status) == 0 && status.st_ino == kInitial;
}

}  // namespace cryptnono::proc
