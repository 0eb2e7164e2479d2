#include "config/watch.h"

#include <fmt/format.h>
#include <fnmatch.h>
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
  Fd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) return fail_errno("cannot watch the configuration files: inotify_init1", errno);
  FileWatcher watcher(std::move(inotify));
  TRY(watcher.watch(paths));
  return watcher;
}

Result<void> FileWatcher::watch(const std::vector<std::string>& paths) {
  std::vector<std::string> absolute;
  for (const std::string& path : paths) {
    std::error_code error;
    absolute.push_back(std::filesystem::absolute(path, error).string());
    if (error) return fail_errno("working directory", error.value());
  }
  paths_ = std::move(absolute);
  return arm();
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
  const auto found = watches_.find(event.wd);
  // Of a watch that was given up: its events are older than the reload that followed.
  if (found == watches_.end()) return false;
  if (event.len == 0) return true;  // about the watched file or directory itself
  const Watch& watch = found->second;
  return watch.names.contains(event.name) ||
         std::any_of(watch.patterns.begin(), watch.patterns.end(), [&](const std::string& pattern) {
           return ::fnmatch(pattern.c_str(), event.name, FNM_PERIOD) == 0;
         });
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
  std::map<int, Watch> watches;
  for (const auto& [path, watch] : plan) {
    const int wd = ::inotify_add_watch(inotify_.get(), path.c_str(), watch.mask);
    if (wd >= 0) {
      watches[wd].names.insert(watch.names.begin(), watch.names.end());
      watches[wd].patterns.insert(watch.patterns.begin(), watch.patterns.end());
      continue;
    }
    const bool vanished = errno == ENOENT || errno == ENOTDIR;  // arm() looks again
    // A directory that may be passed but not read: only its own renaming goes unseen.
    const bool passed_only = errno == EACCES && watch.mask == kSelf;
    if (!vanished && !passed_only) return fail_errno(fmt::format("cannot watch {}", path), errno);
  }
  for (const auto& [wd, unused] : watches_) {
    if (!watches.contains(wd)) ::inotify_rm_watch(inotify_.get(), wd);
  }
  watches_ = std::move(watches);
  return {};
}

FileWatcher::Plan FileWatcher::make_plan() const {
  Plan plan;
  for (const std::string& path : paths_) follow_pattern(path, plan);
  return plan;
}

// The directories in which a component with wildcards is matched, and what matches now.
void FileWatcher::follow_pattern(const std::string& path, Plan& plan) {
  const std::size_t wild = path.find_first_of("*?[");
  if (wild == std::string::npos) return follow(path, plan);
  const std::size_t begin = path.rfind('/', wild) + 1;
  const std::size_t end = std::min(path.find('/', wild), path.size());
  const std::string directory = path.substr(0, begin);
  const std::string pattern = path.substr(begin, end - begin);
  follow(directory + ".", plan);
  std::error_code error;
  const std::string real = std::filesystem::canonical(directory, error).string();
  if (error) return;  // it is watched for by follow()
  Watch& watch = plan[real];
  watch.mask |= kEntries;
  watch.patterns.insert(pattern);
  for (const auto& entry : std::filesystem::directory_iterator(real, error)) {
    const std::string name = entry.path().filename().string();
    if (::fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) == 0)
      follow_pattern(directory + name + path.substr(end), plan);
  }
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
