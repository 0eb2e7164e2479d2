#include "config/watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

namespace cryptnono::config {
namespace {

namespace fs = std::filesystem;

// Events are queued before the system call that causes them returns, so no test has to wait.
class FileWatcherTest : public testing::Test {
 protected:
  FileWatcherTest() {
    std::string name = fs::temp_directory_path() / "watch_test.XXXXXX";
    root_ = ::mkdtemp(name.data());
  }
  ~FileWatcherTest() override { fs::remove_all(root_); }

  static void write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

  FileWatcher watch(std::vector<std::string> paths) {
    auto watcher = FileWatcher::create(paths);
    EXPECT_TRUE(watcher) << watcher.error().message;
    EXPECT_FALSE(watcher->drain()) << "nothing has happened yet";
    return *std::move(watcher);
  }

  static bool readable(const FileWatcher& watcher) {
    pollfd poll{watcher.fd(), POLLIN, 0};
    return ::poll(&poll, 1, 0) == 1;
  }

  // A ConfigMap volume as the kubelet makes it: file -> ..data/file, ..data -> a directory of this
  // version.
  fs::path make_config_map(const std::string& version, const std::string& text) {
    const fs::path volume = root_ / "volume";
    const fs::path directory = "..2026_" + version;
    fs::create_directories(volume / directory);
    write(volume / directory / "rules.yaml", text);
    fs::create_symlink(directory, volume / "..data_tmp");
    fs::rename(volume / "..data_tmp", volume / "..data");
    if (!fs::exists(fs::symlink_status(volume / "rules.yaml"))) {
      fs::create_symlink("..data/rules.yaml", volume / "rules.yaml");
    }
    return volume / "rules.yaml";
  }

  fs::path root_;
};

TEST_F(FileWatcherTest, SeesAWriteInPlaceWhenItIsDone) {
  write(root_ / "a", "1");
  FileWatcher watcher = watch({root_ / "a"});
  {
    std::ofstream file(root_ / "a");
    file << "half" << std::flush;
    EXPECT_FALSE(watcher.drain()) << "still being written";
  }
  EXPECT_TRUE(readable(watcher));
  EXPECT_TRUE(watcher.drain());
  EXPECT_FALSE(watcher.drain());
  write(root_ / "a", "2");
  EXPECT_TRUE(watcher.drain()) << "a second time too";
}

TEST_F(FileWatcherTest, SeesReplacementByRename) {
  write(root_ / "a", "1");
  FileWatcher watcher = watch({root_ / "a"});
  for (int i = 0; i < 3; ++i) {
    write(root_ / "a.new", "2");
    EXPECT_FALSE(watcher.drain()) << "another name";
    fs::rename(root_ / "a.new", root_ / "a");
    EXPECT_TRUE(watcher.drain());
    write(root_ / "a", "3");
    EXPECT_TRUE(watcher.drain()) << "the new file is watched";
  }
}

TEST_F(FileWatcherTest, SeesRemovalAndANewFile) {
  write(root_ / "a", "1");
  FileWatcher watcher = watch({root_ / "a"});
  fs::remove(root_ / "a");
  EXPECT_TRUE(watcher.drain());
  EXPECT_FALSE(watcher.drain());
  write(root_ / "a", "2");
  EXPECT_TRUE(watcher.drain());
}

TEST_F(FileWatcherTest, SeesAFileThatDidNotExist) {
  FileWatcher watcher = watch({root_ / "x/y/a"});
  fs::create_directory(root_ / "x");
  EXPECT_TRUE(watcher.drain());
  fs::create_directory(root_ / "x/y");
  EXPECT_TRUE(watcher.drain());
  write(root_ / "x/y/other", "");
  EXPECT_FALSE(watcher.drain());
  write(root_ / "x/y/a", "1");
  EXPECT_TRUE(watcher.drain());
}

TEST_F(FileWatcherTest, SeesTheSwapOfAConfigMap) {
  const fs::path file = make_config_map("1", "a: 1");
  FileWatcher watcher = watch({file});
  for (const char* version : {"2", "3", "4"}) {
    make_config_map(version, "a: 2");
    EXPECT_TRUE(watcher.drain()) << version;
    EXPECT_FALSE(watcher.drain()) << version;
  }
  // The kubelet removes the old directory afterwards, which says nothing new.
  fs::remove_all(root_ / "volume/..2026_3");
  EXPECT_FALSE(watcher.drain());
  // Secrets mounted without a new version directory, and edits by hand.
  write(root_ / "volume/..2026_4/rules.yaml", "a: 3");
  EXPECT_TRUE(watcher.drain());
}

TEST_F(FileWatcherTest, FollowsLinksToAbsoluteTargetsAndUpwards) {
  fs::create_directories(root_ / "real/deep");
  fs::create_directories(root_ / "links");
  write(root_ / "real/a", "1");
  fs::create_symlink(root_ / "real/deep", root_ / "links/absolute");
  fs::create_symlink("absolute/../a", root_ / "links/a");  // real/a, as .. is that of the target
  FileWatcher watcher = watch({root_ / "links/a"});
  write(root_ / "real/a", "2");
  EXPECT_TRUE(watcher.drain());
  fs::remove(root_ / "links/absolute");
  EXPECT_TRUE(watcher.drain());
}

TEST_F(FileWatcherTest, SeesTheDirectoryReplaced) {
  fs::create_directories(root_ / "x/y");
  write(root_ / "x/y/a", "1");
  FileWatcher watcher = watch({root_ / "x/y/a"});
  fs::rename(root_ / "x", root_ / "old");
  EXPECT_TRUE(watcher.drain());
  write(root_ / "old/y/a", "gone with it");
  EXPECT_FALSE(watcher.drain());
  fs::create_directories(root_ / "new/y");
  write(root_ / "new/y/a", "2");
  fs::rename(root_ / "new", root_ / "x");
  EXPECT_TRUE(watcher.drain());
  write(root_ / "x/y/a", "3");
  EXPECT_TRUE(watcher.drain());
  fs::remove_all(root_ / "x");
  EXPECT_TRUE(watcher.drain());
}

TEST_F(FileWatcherTest, SeesTwoDirectoriesExchanged) {
  for (const char* name : {"x", "z"}) {
    fs::create_directory(root_ / name);
    write(root_ / name / "a", name);
  }
  FileWatcher watcher = watch({root_ / "x/a"});
  if (::renameat2(AT_FDCWD, (root_ / "x").c_str(), AT_FDCWD, (root_ / "z").c_str(),
                  RENAME_EXCHANGE) != 0) {
    ASSERT_EQ(errno, EINVAL);
    GTEST_SKIP() << "this file system cannot exchange two names";
  }
  EXPECT_TRUE(watcher.drain());
  write(root_ / "x/a", "2");
  EXPECT_TRUE(watcher.drain());
}

TEST_F(FileWatcherTest, SeesAFileBecomeReadable) {
  write(root_ / "a", "1");
  ASSERT_EQ(::chmod((root_ / "a").c_str(), 0), 0);
  FileWatcher watcher = watch({root_ / "a"});
  ASSERT_EQ(::chmod((root_ / "a").c_str(), 0600), 0);
  EXPECT_TRUE(watcher.drain());
}

TEST_F(FileWatcherTest, IgnoresNeighboursAndReaders) {
  write(root_ / "a", "1");
  FileWatcher watcher = watch({root_ / "a"});
  write(root_ / "b", "1");
  fs::create_directory(root_ / "c");
  fs::remove(root_ / "b");
  std::string text;
  std::ifstream(root_ / "a") >> text;
  EXPECT_FALSE(watcher.drain());
}

TEST_F(FileWatcherTest, WatchesSeveralFilesOneThroughTwoNames) {
  write(root_ / "a", "1");
  write(root_ / "b", "1");
  fs::create_symlink("a", root_ / "link");
  FileWatcher watcher = watch({root_ / "a", root_ / "b", root_ / "link"});
  for (const char* name : {"a", "b"}) {
    write(root_ / name, "2");
    EXPECT_TRUE(watcher.drain()) << name;
  }
  fs::remove(root_ / "link");
  EXPECT_TRUE(watcher.drain());
}

TEST_F(FileWatcherTest, SurvivesLinksInACircle) {
  fs::create_symlink("b", root_ / "a");
  fs::create_symlink("a", root_ / "b");
  FileWatcher watcher = watch({root_ / "a"});
  fs::remove(root_ / "b");
  EXPECT_TRUE(watcher.drain());
  write(root_ / "b", "1");
  EXPECT_TRUE(watcher.drain());
}

TEST_F(FileWatcherTest, CountsLostEventsAsAChange) {
  std::ifstream limit_file("/proc/sys/fs/inotify/max_queued_events");
  long limit = 0;
  limit_file >> limit;
  if (limit <= 0 || limit > 100'000)
    GTEST_SKIP() << "max_queued_events is unknown or large: " << limit;
  write(root_ / "a", "1");
  FileWatcher watcher = watch({root_ / "a"});
  // Equal events in a row are merged, so two names by turns; neither is watched.
  for (long i = 0; i <= limit; ++i) {
    const Fd fd(
        ::open((root_ / (i % 2 == 0 ? "x" : "y")).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ::unlink((root_ / (i % 2 == 0 ? "x" : "y")).c_str());
  }
  EXPECT_TRUE(watcher.drain());
  EXPECT_FALSE(watcher.drain());
}

TEST_F(FileWatcherTest, IsNotInheritedAndMoves) {
  write(root_ / "a", "1");
  FileWatcher first = watch({root_ / "a"});
  EXPECT_EQ(::fcntl(first.fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(::fcntl(first.fd(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  const int fd = first.fd();
  FileWatcher second = std::move(first);
  EXPECT_EQ(second.fd(), fd);
  write(root_ / "a", "2");
  EXPECT_TRUE(second.drain());
}

TEST_F(FileWatcherTest, AWildcardMatchesFilesThatComeAndGo) {
  write(root_ / "one.txt", "1");
  FileWatcher watcher = watch({root_ / "*.txt"});
  write(root_ / "other", "x");
  EXPECT_FALSE(watcher.drain()) << "does not match";
  write(root_ / "two.txt", "2");
  EXPECT_TRUE(watcher.drain());
  write(root_ / "two.txt", "3");
  EXPECT_TRUE(watcher.drain()) << "a file that came later is watched too";
  fs::remove(root_ / "one.txt");
  EXPECT_TRUE(watcher.drain());
  EXPECT_FALSE(watcher.drain());
}

TEST_F(FileWatcherTest, AWildcardMatchesAConfigMap) {
  make_config_map("1", "1");
  FileWatcher watcher = watch({root_ / "*" / "*.yaml"});
  make_config_map("2", "2");
  EXPECT_TRUE(watcher.drain());
  fs::create_directory(root_ / "second");
  EXPECT_TRUE(watcher.drain()) << "a directory that matches";
  write(root_ / "second" / "x.yaml", "x");
  EXPECT_TRUE(watcher.drain());
}

TEST_F(FileWatcherTest, WatchesOthersWhenTold) {
  write(root_ / "a", "1");
  write(root_ / "b", "1");
  FileWatcher watcher = watch({root_ / "a"});
  ASSERT_TRUE(watcher.watch({root_ / "b"}));
  write(root_ / "a", "2");
  EXPECT_FALSE(watcher.drain());
  write(root_ / "b", "2");
  EXPECT_TRUE(watcher.drain());
}

}  // namespace
}  // namespace cryptnono::config
