#include "commands/rules_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/fd.h"
#include "config/read_file.h"
#include "seal/seal.h"

namespace cryptnono::commands {

Result<std::string> read_input(const std::string& path) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 30;
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail_errno(path, errno);
  std::string text;
  struct stat info {};
  if (fstat(file.get(), &info) == 0 && info.st_size > 0 &&
      static_cast<std::size_t>(info.st_size) <= kMaxBytes)
    text.reserve(static_cast<std::size_t>(info.st_size) + 1);
  for (;;) {
    constexpr std::size_t kStep = std::size_t{1} << 16;
    const std::size_t size = text.size();
    text.resize(size + kStep);
    const ssize_t got = read(file.get(), text.data() + size, kStep);
    text.resize(size + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(path, errno);
    if (got == 0) return text;
    if (text.size() > kMaxBytes) return fail(path + ": larger than 1 GiB");
  }
}

Result<std::string> read_opened(const std::string& path, const seal::Identities& identities) {
  const Result<config::FileText> text = config::read_file(path, identities);
  if (!text) {
    const ExitCode code = text.error().code;
    return fail(path + ": " + text.error().message,
                code == ExitCode::kNotPermitted ? code : ExitCode::kConfig);
  }
  return std::string(text->sealed() ? seal::without_padding(*text) : text->view());
}

namespace {

Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno("cannot write", errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> put(const std::string& path, std::string_view text, Existing existing) {
  std::string temporary = path + ".XXXXXX";
  const Fd fd(mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (!fd) return fail_errno("cannot write", errno);
  const auto write = [&]() -> Result<void> {
    TRY(write_all(fd.get(), text));
    if (fsync(fd.get()) != 0) return fail_errno("cannot write", errno);
    const unsigned flags = existing == Existing::kRefuse ? RENAME_NOREPLACE : 0;
    if (renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), flags) == 0) return {};
    if (errno == EEXIST) return fail("is there already; --force overwrites it", ExitCode::kUsage);
    return fail_errno("cannot write", errno);
  };
  Result<void> written = write();
  if (!written) unlink(temporary.c_str());
  return written;
}

}  // namespace

Result<void> write_private(const std::string& path, std::string_view text, Existing existing) {
  Result<void> written = put(path, text, existing);
  if (!written) return tl::unexpected(with_context(path, std::move(written.error())));
  return {};
}

Result<void> write_out(const std::string& path, std::string_view text, Existing existing) {
  if (!path.empty() && path != "-") return write_private(path, text, existing);
  Result<void> written = write_all(STDOUT_FILENO, text);
  if (!written) return tl::unexpected(with_context("standard output", std::move(written.error())));
  return {};
}

}  // namespace cryptnono::commands
