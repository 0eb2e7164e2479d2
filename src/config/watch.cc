#include "config/watch.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>
#include <filesystem>

namespace cryptnono::config {

namespace {

constexpr std::uint32_t kSelf = IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t kEntries = kSelf | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
// Not IN_MODIFY: it would call for a reload in the middle of a write.
constexpr std::uint32_t kFile = IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

constexpr int kMaxLinks = 40;  // the kernel's
// Each try only repeats what changed while the one before was at work.
constexpr int kMaxTries = 16;

void push_components(const std::string& path, std::deque<std::string>& components) {
  const std::filesystem::path parsed(path);
  std::vector<std::string> names;
  for (const auto& part : parsed.relative_path()) names.push_back(part.string());
  components.insert(components.begin(), names.begin(), names.end());
}

std::string read_link(const std::string& path) {
  std::array<char, PATH_MAX> target;
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  return size < 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(size));
}

}  // namespace

Result<FileWatcher> FileWatcher::create(const std::vector<std::string>& paths) {
  std::vector<std::string> absolute;
  for (const std::string& path : paths) {
    std::error_code error;
    absolute.push_back(std::filesystem::absolute(path, error).string());
    if (error) return fail_errno("working directory", error.value());
  }
  Fd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) return fail_errno("cannot watch the configuration files: inotify_init1", errno);
  FileWatcher watcher(std::move(inotify), std::move(absolute));
  TRY(watcher.arm());
  return watcher;
}

bool FileWatcher::drain() {
  bool changed = false;
  alignas(inotify_event) std::array<char, 16 * (sizeof(inotify_event) + NAME_MAX + 1)> buffer;
  for (;;) {
    const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      const auto& event = *reinterpret_cast<const inotify_event*>(buffer.data() + at);
      changed |= matters(event);
      at += sizeof(inotify_event) + event.len;
    }
  }
  // Without watches left the next change would go unseen, but this one does not: the caller reads
  // the files now.
  if (changed) static_cast<void>(arm());
  return changed;
}

bool FileWatcher::matters(const inotify_event& event) const {
  if ((event.mask & IN_Q_OVERFLOW) != 0) return true;
  const auto watch = names_.find(event.wd);
  // Of a watch that was given up: its events are older than the reload that followed.
  if (watch == names_.end()) return false;
  if (event.len == 0) return true;  // about the watched file or directory itself
  return watch->second.contains(event.name);
}

// Between looking at the path and watching it the path may change, so it is looked at again until
// it stays the same.
Result<void> FileWatcher::arm() {
  Plan plan = make_plan();
  for (int tries = 0; tries < kMaxTries; ++tries) {
    TRY(apply(plan));
    Plan again = make_plan();
    if (again == plan) break;
    plan = std::move(again);
  }
  return {};
}

Result<void> FileWatcher::apply(const Plan& plan) {
  std::map<int, std::set<std::string>> names;
  for (const auto& [path, watch] : plan) {
    const int wd = ::inotify_add_watch(inotify_.get(), path.c_str(), watch.mask);
    if (wd >= 0) {
      names[wd].insert(watch.names.begin(), watch.names.end());
      continue;
    }
    const bool vanished = errno == ENOENT || errno == ENOTDIR;  // arm() looks again
    // A directory that may be passed but not read: only its own renaming goes unseen.
    const bool passed_only = errno == EACCES && watch.mask == kSelf;
    if (!vanished && !passed_only) return fail_errno(fmt::format("cannot watch {}", path), errno);
  }
  for (const auto& [wd, unused] : names_) {
    if (!names.contains(wd)) ::inotify_rm_watch(inotify_.get(), wd);
  }
  names_ = std::move(names);
  return {};
}

FileWatcher::Plan FileWatcher::make_plan() const {
  Plan plan;
  for (const std::string& path : paths_) follow(path, plan);
  return plan;
}

void FileWatcher::follow(const std::string& path, Plan& plan) {
  const auto watch = [&plan](const std::string& where, std::uint32_t mask) -> Watch& {
    Watch& entry = plan[where];
    entry.mask |= mask;
    return entry;
  };
  std::deque<std::string> components;
  push_components(path, components);
  std::filesystem::path directory = "/";
  watch(directory, kSelf);
  for (int links = 0; !components.empty();) {
    const std::string name = std::move(components.front());
    components.pop_front();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      directory = directory.parent_path();
      continue;
    }
    const std::filesystem::path here = directory / name;
    struct stat status {};
    const bool exists = ::lstat(here.c_str(), &status) == 0;
    if (exists && S_ISLNK(status.st_mode)) {
      watch(directory, kEntries).names.insert(name);
      if (++links > kMaxLinks) return;
      const std::string target = read_link(here);
      if (target.starts_with('/')) directory = "/";
      push_components(target, components);
    } else if (exists && S_ISDIR(status.st_mode) && !components.empty()) {
      watch(here, kSelf);
      directory = here;
    } else {
      // The file, or what is in the way, or what is missing.
      watch(directory, kEntries).names.insert(name);
      if (exists) watch(here, kFile);
      return;
    }
  }
}

}  // namespace cryptnono::config
