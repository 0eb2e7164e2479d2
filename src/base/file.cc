#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/fd.h"

namespace cryptnono {

namespace {

// A name lasts only when its directory is written, too. Where it cannot be opened that is left to
// the kernel.
void write_directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  std::string directory = ".";
  if (slash != std::string::npos) directory = path.substr(0, std::max<std::size_t>(slash, 1));
  const Fd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) static_cast<void>(fsync(fd.get()));
}

Result<void> put_in_place(const Fd& fd, const std::string& from, const std::string& path,
                          Existing existing) {
  if (fsync(fd.get()) != 0) return fail_errno("cannot write", errno);
  const unsigned flags = existing == Existing::kRefuse ? RENAME_NOREPLACE : 0;
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, path.c_str(), flags) == 0) {
    write_directory_of(path);
    return {};
  }
  if (errno == EEXIST) return fail("is there already", ExitCode::kUsage);
  return fail_errno("cannot write", errno);
}

}  // namespace

Result<void> read_up_to(int fd, std::size_t most, std::string& text) {
  constexpr std::size_t kStep = std::size_t{64} << 10;
  std::size_t size = text.size();
  // The size that the file has is a hint only: a pipe has none, and a file may grow.
  struct stat status {};
  if (fstat(fd, &status) == 0 && status.st_size > 0)
    text.reserve(std::min(static_cast<std::size_t>(status.st_size) + kStep, most));
  while (size < most) {
    if (size == text.size()) text.resize(std::min(std::max(text.capacity(), size + kStep), most));
    const ssize_t got = read(fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("cannot read", errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return {};
}

Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno("cannot write", errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> write_private_file(const std::string& path, std::string_view text, Existing existing) {
  std::string temporary = path + ".XXXXXX";
  const Fd fd(mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (!fd) return fail_errno("cannot write", errno);
  Result<void> written = write_all(fd.get(), text);
  if (written) written = put_in_place(fd, temporary, path, existing);
  if (!written) unlink(temporary.c_str());
  return written;
}

}  // namespace cryptnono
