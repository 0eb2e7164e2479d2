#include "proc/proc_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>
#include <utility>

#include "proc/cgroup_view.h"

namespace cryptnono::proc {

namespace {

// One read takes most files whole; the argument area may be megabytes.
constexpr std::size_t kFirstRead = 4096;

struct CloseDir {
  void operator()(DIR* directory) const { closedir(directory); }
};

using Path = std::array<char, 48>;

Path path_of(pid_t pid, const char* name) {
  Path path{};
  std::snprintf(path.data(), path.size(), "%d/%s", pid, name);
  return path;
}

}  // namespace

ProcReader::ProcReader(const std::string& root)
    : directory_(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

std::vector<pid_t> ProcReader::pids() const { return numbers_in("."); }

std::vector<pid_t> ProcReader::numbers_in(const char* path) const {
  std::vector<pid_t> out;
  const int copy = openat(directory_.get(), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return out;
  const std::unique_ptr<DIR, CloseDir> listing(fdopendir(copy));
  if (!listing) return out;
  while (const dirent* entry =
             readdir(listing.get())) {  // NOLINT(concurrency-mt-unsafe): a stream of its own
    pid_t pid = 0;
    const char* end = entry->d_name + std::strlen(entry->d_name);
    const auto parsed = std::from_chars(entry->d_name, end, pid);
    if (parsed.ec == std::errc() && parsed.ptr == end && pid > 0) out.push_back(pid);
  }
  return out;
}

namespace {

// All of `fd`, from the beginning, into `out`.
bool read_whole(int fd, std::string& out) {
  std::size_t used = 0;
  if (out.size() < kFirstRead) out.resize(kFirstRead);
  for (;;) {
    const ssize_t n = pread(fd, out.data() + used, out.size() - used, static_cast<off_t>(used));
    if (n < 0) return false;
    used += static_cast<std::size_t>(n);
    // A short read is the end: the kernel fills what it is given.
    if (used < out.size()) break;
    out.resize(out.size() * 4);
  }
  out.resize(used);
  return true;
}

}  // namespace

bool ProcReader::read_file(pid_t pid, const char* name, std::string& out) const {
  const Fd file(openat(directory_.get(), path_of(pid, name).data(), O_RDONLY | O_CLOEXEC));
  return file && read_whole(file.get(), out);
}

Fd ProcReader::open_cmdline(pid_t pid) const {
  return Fd(openat(directory_.get(), path_of(pid, "cmdline").data(), O_RDONLY | O_CLOEXEC));
}

bool ProcReader::read_cmdline_again(int fd, std::string& out) { return read_whole(fd, out); }

bool ProcReader::read_cmdline(pid_t pid, std::string& out) const {
  return read_file(pid, "cmdline", out);
}

bool ProcReader::read_thread_cmdline(pid_t pid, std::string& out) const {
  for (const pid_t thread : numbers_in(path_of(pid, "task").data())) {
    if (thread != pid && read_cmdline(thread, out) && !out.empty()) return true;
  }
  out.clear();
  return false;
}

std::optional<ProcStat> ProcReader::read_stat(pid_t pid) const {
  std::string text;
  if (!read_file(pid, "stat", text)) return std::nullopt;
  return parse_stat(text);
}

std::string ProcReader::read_cgroup(pid_t pid) const {
  std::string text;
  if (!read_file(pid, "cgroup", text)) return {};
  return absolute_cgroups(cgroup_namespace_root(), std::move(text));
}

std::string ProcReader::read_exe(pid_t pid) const {
  std::string target(PATH_MAX, '\0');
  const ssize_t n =
      readlinkat(directory_.get(), path_of(pid, "exe").data(), target.data(), target.size());
  target.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return target;
}

bool ProcReader::executable_trusted(pid_t pid) const {
  const Fd file(openat(directory_.get(), path_of(pid, "exe").data(), O_PATH | O_CLOEXEC));
  struct stat status {};
  struct statfs filesystem {};
  return file && fstat(file.get(), &status) == 0 && fstatfs(file.get(), &filesystem) == 0 &&
         status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
         filesystem.f_type != FUSE_SUPER_MAGIC;
}

namespace {

// The number behind a label of /proc/PID/status.
template <typename Number>
std::optional<Number> status_number(const std::string& status, std::string_view label) {
  const std::size_t at = status.find(label);
  if (at == std::string::npos) return std::nullopt;
  const std::size_t digit = status.find_first_not_of(" \t", at + label.size());
  if (digit == std::string::npos) return std::nullopt;
  Number number = 0;
  const char* end = status.data() + status.size();
  if (std::from_chars(status.data() + digit, end, number).ec != std::errc()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<uid_t> ProcReader::read_uid(pid_t pid) const {
  // The directory belongs to the effective user, unless the process is not dumpable; the status
  // file has the real one.
  std::string text;
  if (!read_file(pid, "status", text)) return std::nullopt;
  return status_number<uid_t>(text, "\nUid:");
}

std::optional<pid_t> ProcReader::read_process_of(pid_t tid) const {
  std::string text;
  if (!read_file(tid, "status", text)) return std::nullopt;
  return status_number<pid_t>(text, "\nTgid:");
}

std::uint64_t ProcReader::read_resident_bytes(pid_t pid) const {
  std::string text;
  if (!read_file(pid, "status", text)) return 0;
  const auto kib = [&text](std::string_view label) {
    return status_number<std::uint64_t>(text, label).value_or(0);
  };
  return (kib("\nVmRSS:") + kib("\nHugetlbPages:")) * 1024;
}

std::vector<pid_t> ProcReader::read_namespace_pids(pid_t pid) const {
  constexpr std::string_view kLabel = "\nNSpid:";
  std::string text;
  std::vector<pid_t> out;
  if (!read_file(pid, "status", text)) return out;
  const std::size_t at = text.find(kLabel);
  if (at == std::string::npos) return out;
  const std::size_t begin = at + kLabel.size();
  std::istringstream numbers(text.substr(begin, text.find('\n', begin) - begin));
  for (pid_t number = 0; numbers >> number;) out.push_back(number);
  return out;
}

std::vector<pid_t> ProcReader::with_ancestors(pid_t pid) const {
  std::vector<pid_t> out;
  while (pid > 0) {
    out.push_back(pid);
    const std::optional<ProcStat> stat = read_stat(pid);
    if (!stat) break;
    pid = stat->ppid;
  }
  return out;
}

}  // namespace cryptnono::proc
