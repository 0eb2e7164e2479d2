#include "config/read_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.h"
#include "config/document.h"
#include "seal/open.h"

namespace cryptnono::config {

static_assert(seal::kMaxPlaintext == kMaxDocumentBytes);

namespace {

Result<std::string> read_bytes(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("cannot open", errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return fail_errno("cannot read", errno);

  // The size is a hint only: a pipe has none, and a file may grow.
  constexpr std::size_t kStep = std::size_t{64} << 10;
  const auto expected = static_cast<std::size_t>(std::max<off_t>(status.st_size, 0));
  std::string text;
  text.resize(std::min(expected, seal::kMaxSealed) + kStep);
  std::size_t size = 0;
  for (;;) {
    if (size == text.size()) text.resize(text.size() * 2);
    const ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("cannot read", errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
    // What is sealed is larger than what is in it.
    const bool sealed = seal::is_sealed(std::string_view(text).substr(0, size));
    if (size > (sealed ? seal::kMaxSealed : kMaxDocumentBytes))
      return fail(fmt::format("larger than {} MiB", kMaxDocumentBytes >> 20));
  }
  text.resize(size);
  return text;
}

}  // namespace

Result<FileText> read_file(const std::string& path, const seal::Identities& identities) {
  std::string text = TRY(read_bytes(path));
  if (!seal::is_sealed(text)) return FileText(std::move(text));
  return FileText(TRY(seal::open(text, identities)));
}

}  // namespace cryptnono::config
