#include "app/rollout_state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/fd.h"

namespace cryptnono::app {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxBytes = 1 << 20;  // 64 groups are 10 KiB

Result<std::string> read_small(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && errno == ENOENT) return std::string();
  if (!fd) return fail_errno("cannot open", errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return fail_errno("cannot read", errno);
  if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid() ||
      (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail("not a file that this user alone may write");
  std::string text(kMaxBytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("cannot read", errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kMaxBytes) return fail("larger than it can be");
  text.resize(size);
  return text;
}

Result<void> write_all(const Fd& fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = ::write(fd.get(), text.data(), text.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return fail_errno("cannot write", errno);
    text.remove_prefix(static_cast<std::size_t>(done));
  }
  if (::fsync(fd.get()) != 0) return fail_errno("cannot write", errno);
  return {};
}

}  // namespace

Result<RolloutState> read_state(const std::string& directory, double now) {
  const std::string path = directory + "/" + kRolloutFile;
  const auto wrong = [&](std::string_view what) { return fail(fmt::format("{}: {}", path, what)); };
  const Result<std::string> text = read_small(path);
  if (!text) return wrong(text.error().message);
  if (text->empty()) return RolloutState{};
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  try {
    if (json.at("saved_at").get<double>() > now + kMaxAheadS)
      return wrong("it is from the future, or the clock is wrong");
    RolloutState out;
    for (const auto& [group, each] : json.at("groups").items()) {
      out[group] = {.content = each.at("content").get<std::string>(),
                    .clean_s = each.at("clean_s").get<std::uint64_t>(),
                    .over = each.at("over").get<bool>()};
    }
    return out;
  } catch (const Json::exception&) {
    return wrong("it is not what a daemon has written");
  }
}

Result<void> write_state(const std::string& directory, const RolloutState& state, double now) {
  Json groups = Json::object();
  for (const auto& [group, each] : state) {
    groups[group] = {{"content", each.content}, {"clean_s", each.clean_s}, {"over", each.over}};
  }
  const std::string path = directory + "/" + kRolloutFile;
  const std::string fresh = path + ".new";
  const auto wrong = [&](Error error) {
    ::unlink(fresh.c_str());
    return tl::unexpected(with_context(path, std::move(error)));
  };
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return wrong(fail_errno("cannot make its directory", errno).value());
  ::unlink(fresh.c_str());
  const Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return wrong(fail_errno("cannot write", errno).value());
  if (Result<void> done = write_all(fd, Json{{"saved_at", now}, {"groups", groups}}.dump(1) + "\n");
      !done)
    return wrong(std::move(done.error()));
  if (::rename(fresh.c_str(), path.c_str()) != 0)
    return wrong(fail_errno("cannot write", errno).value());
  // The name is durable only with the directory.
  const Fd parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent) static_cast<void>(::fsync(parent.get()));
  return {};
}

}  // namespace cryptnono::app
