// FileWatcher: tells when one of a set of files may have changed, however that came about.
//
// A file is found by looking up one name after the other, through directories and symbolic links;
// it may change by a change of any of them. So for each file the watcher follows the path and
// watches with inotify
//   - the file: written and closed, attributes changed;
//   - each directory in which the file or a link on the way to it is looked up: that name created,
//   renamed, removed
//     (a Kubernetes ConfigMap is file -> ..data/file, and ..data is swapped by one rename);
//   - each other directory on the way: itself renamed or removed;
//   - if a name is missing, the directory in which it should be.
// A path may have wildcards (glob(7)): then every file that matches is watched, and every directory
// in which a name is matched, for names that come and go.
// It does not notice a mount on top of the path, writes through a memory map, nor changes that
// another machine makes to a network file system.
#pragma once

#include <sys/inotify.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace cryptnono::config {

// Movable; not thread-safe.
class FileWatcher {
 public:
  // Watches `paths`; relative ones from the working directory of now. A file need not exist yet. To
  // miss nothing, create the watcher first and read the files then. Fails if the system has no more
  // inotify instances or watches, or if a directory that holds one of the files cannot be read.
  static Result<FileWatcher> create(const std::vector<std::string>& paths);

  // Watches these instead. What changes from now on is noticed; what the new ones share with the
  // old ones is watched without a gap.
  Result<void> watch(const std::vector<std::string>& paths);

  // Readable when drain() has something to do; for epoll. Stays the same, and is closed with the
  // watcher.
  [[nodiscard]] int fd() const { return inotify_.get(); }

  // Takes what happened since the last call. True if one of the files may be different, has come or
  // has gone; also if the kernel had to drop events. Never blocks. The watches are renewed before
  // it returns, so reading the files after it misses nothing. A file may still be half written
  // then: wait for a moment of quiet before trusting it.
  [[nodiscard]] bool drain();

 private:
  // What is to be watched at one path that is free of symbolic links.
  struct Watch {
    std::uint32_t mask = 0;
    std::set<std::string> names;     // of a directory: the entries that matter
    std::set<std::string> patterns;  // the same with wildcards

    bool operator==(const Watch&) const = default;
  };
  using Plan = std::map<std::string, Watch>;

  explicit FileWatcher(Fd inotify) : inotify_(std::move(inotify)) {}

  [[nodiscard]] Plan make_plan() const;
  static void follow(const std::string& path, Plan& plan);
  static void follow_pattern(const std::string& path, Plan& plan);
  Result<void> arm();
  Result<void> apply(const Plan& plan);
  [[nodiscard]] bool matters(const inotify_event& event) const;

  Fd inotify_;
  std::vector<std::string> paths_;  // absolute
  std::map<int, Watch> watches_;    // by watch descriptor; of one file, whatever its paths
};

}  // namespace cryptnono::config
