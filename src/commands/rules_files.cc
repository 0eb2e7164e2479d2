#include "commands/rules_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "base/fd.h"

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

Result<void> write_private(const std::string& path, std::string_view text) {
  if (path.empty() || path == "-") {
    std::cout << text << std::flush;
    if (!std::cout) return fail("cannot write to standard output");
    return {};
  }
  std::string temporary = path + ".XXXXXX";
  const Fd file(mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (!file) return fail_errno(temporary, errno);
  while (!text.empty()) {
    const ssize_t written = write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      unlink(temporary.c_str());
      return fail_errno(temporary, error);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (fsync(file.get()) != 0 || rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(temporary.c_str());
    return fail_errno(path, error);
  }
  return {};
}

}  // namespace cryptnono::commands
