#include "config/read_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "base/fd.h"
#include "base/file.h"
#include "config/document.h"
#include "seal/open.h"

namespace cryptnono::config {

static_assert(seal::kMaxPlaintext == kMaxDocumentBytes);

namespace {

Result<std::string> read_bytes(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("cannot open", errno);
  std::string text;
  TRY(read_up_to(fd.get(), kMaxDocumentBytes + 1, text));
  // What is sealed is larger than what is in it.
  const bool sealed = seal::is_sealed(text);
  if (sealed) TRY(read_up_to(fd.get(), seal::kMaxSealed + 1, text));
  if (text.size() > (sealed ? seal::kMaxSealed : kMaxDocumentBytes))
    return fail(fmt::format("larger than {} MiB", kMaxDocumentBytes >> 20));
  return text;
}

}  // namespace

Result<FileText> read_file(const std::string& path, const seal::Identities& identities) {
  std::string text = TRY(read_bytes(path));
  if (!seal::is_sealed(text)) return FileText(std::move(text));
  return FileText(TRY(seal::open(text, identities)));
}

}  // namespace cryptnono::config
