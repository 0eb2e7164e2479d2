#include "app/rollout_state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/file.h"

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
  std::string text;
  TRY(read_up_to(fd.get(), kMaxBytes + 1, text));
  if (text.size() > kMaxBytes) return fail("larger than it can be");
  return text;
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
  const auto wrong = [&](Error error) {
    return tl::unexpected(with_context(path, std::move(error)));
  };
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return wrong(fail_errno("cannot make its directory", errno).value());
  Result<void> written = write_private_file(
      path, Json{{"saved_at", now}, {"groups", groups}}.dump(1) + "\n", Existing::kReplace);
  if (!written) return wrong(std::move(written.error()));
  return {};
}

}  // namespace cryptnono::app
