#include "config/directories.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "config/load.h"
#include "config/test_lines.h"
#include "config/watch.h"

namespace cryptnono::config {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DirectoriesTest : public testing::Test {
 protected:
  DirectoriesTest() {
    std::string name = fs::temp_directory_path() / "directories_test.XXXXXX";
    root_ = ::mkdtemp(name.data());
  }
  ~DirectoriesTest() override { fs::remove_all(root_); }

  std::string write(const std::string& name, const std::string& text = "") {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
    return root_ / name;
  }

  // A Secret's volume as the kubelet makes it: each name -> ..data/name, ..data -> this version.
  void mount_secret(const std::string& version, const std::vector<std::string>& keys) {
    const fs::path volume = root_ / "secret";
    const std::string directory = "..2026_" + version;
    for (const std::string& key : keys)
      write("secret/" + directory + "/" + key, "bannedCommandStrings: [in-" + key + "]\n");
    for (const std::string& key : keys) {
      if (!fs::exists(fs::symlink_status(volume / key)))
        fs::create_symlink("..data/" + key, volume / key);
    }
    fs::create_symlink(directory, volume / "..data_tmp");
    fs::rename(volume / "..data_tmp", volume / "..data");
    for (const auto& entry : fs::directory_iterator(volume)) {
      if (fs::is_symlink(entry) && !fs::exists(entry)) fs::remove(entry);
    }
  }

  [[nodiscard]] std::string path(const std::string& name) const { return root_ / name; }

  fs::path root_;
};

TEST_F(DirectoriesTest, FilesByNameInTheirDirectorysPlace) {
  const std::string first = write("z.yaml");
  write("conf.d/b.yaml");
  write("conf.d/a.json");
  write("conf.d/10.yaml");
  write("conf.d/.hidden.yaml");
  write("conf.d/below/c.yaml");
  const std::string last = write("a.yaml");
  EXPECT_THAT(expand_directories({first, path("conf.d"), last}),
              ElementsAre(first, path("conf.d/10.yaml"), path("conf.d/a.json"),
                          path("conf.d/b.yaml"), last));
}

TEST_F(DirectoriesTest, AnEmptyOneHasNoFiles) {
  fs::create_directory(root_ / "empty");
  EXPECT_THAT(expand_directories({path("empty")}), IsEmpty());
}

TEST_F(DirectoriesTest, WhatIsMissingOrLeadsNowhereStaysAndIsAnError) {
  fs::create_directory(root_ / "conf.d");
  fs::create_symlink("nowhere", root_ / "conf.d/gone.yaml");
  const std::vector<std::string> paths{path("conf.d"), path("missing")};
  EXPECT_THAT(expand_directories(paths), ElementsAre(path("conf.d/gone.yaml"), path("missing")));
  const LoadResult loaded = load_files(paths);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(lines(loaded.error()),
              ElementsAre(HasSubstr("gone.yaml: cannot open"), HasSubstr("missing: cannot open")));
}

TEST_F(DirectoriesTest, AMountedSecretIsReadOnceNotByItsVersions) {
  mount_secret("1", {"pools", "execwhacker-miners.json"});
  EXPECT_THAT(expand_directories({path("secret")}),
              ElementsAre(path("secret/execwhacker-miners.json"), path("secret/pools")));
}

TEST_F(DirectoriesTest, LaterFilesOfADirectoryWin) {
  write("conf.d/10-chart.yaml", "log: {level: debug}\nbannedCommandStrings: [one]\n");
  write("conf.d/cryptnono.yaml", "log: {level: error}\n");
  const LoadResult loaded = load_files({path("conf.d")});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->config.log.level, LogLevel::kError);
  ASSERT_EQ(loaded->config.execwhacker.groups.size(), 1U);
  EXPECT_EQ(loaded->config.execwhacker.groups[0].name, "10-chart");
}

// An optional Secret that does not exist is an empty directory. That is no reason for the built-in
// rules: a path was given.
TEST_F(DirectoriesTest, AnEmptyOneIsAConfigurationWithoutRules) {
  fs::create_directory(root_ / "optional");
  const LoadResult loaded = load_files({path("optional")});
  ASSERT_TRUE(loaded);
  EXPECT_THAT(loaded->config.execwhacker.groups, IsEmpty());
  EXPECT_THAT(lines(loaded->warnings), ElementsAre(HasSubstr("no banned strings")));
}

// What the kubelet does when an optional Secret comes, changes, gains and loses a key.
TEST_F(DirectoriesTest, WatchSeesASecretComeChangeAndGo) {
  fs::create_directory(root_ / "secret");
  auto watcher = FileWatcher::create(watch_patterns({path("secret")}));
  ASSERT_TRUE(watcher);
  EXPECT_FALSE(watcher->drain());
  mount_secret("1", {"a"});
  EXPECT_TRUE(watcher->drain());
  EXPECT_FALSE(watcher->drain());
  mount_secret("2", {"a"});
  EXPECT_TRUE(watcher->drain());
  mount_secret("3", {"a", "b"});
  EXPECT_TRUE(watcher->drain());
  EXPECT_THAT(expand_directories({path("secret")}),
              ElementsAre(path("secret/a"), path("secret/b")));
  mount_secret("4", {"b"});
  EXPECT_TRUE(watcher->drain());
  EXPECT_THAT(expand_directories({path("secret")}), ElementsAre(path("secret/b")));
  const LoadResult loaded = load_files({path("secret")});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->config.files, std::vector<std::string>{path("secret/b")});
}

}  // namespace
}  // namespace cryptnono::config
