#include "commands/rules_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/fd.h"
#include "base/file.h"
#include "config/read_file.h"
#include "seal/seal.h"

namespace cryptnono::commands {

Result<std::string> read_input(const std::string& path) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 30;
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail_errno(path, errno);
  std::string text;
  if (Result<void> read = read_up_to(file.get(), kMaxBytes + 1, text); !read)
    return tl::unexpected(with_context(path, std::move(read.error())));
  if (text.size() > kMaxBytes) return fail(path + ": larger than 1 GiB");
  return text;
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

Result<void> write_private(const std::string& path, std::string_view text, Existing existing) {
  Result<void> written = write_private_file(path, text, existing);
  if (written) return written;
  Error error = with_context(path, std::move(written.error()));
  if (error.code == ExitCode::kUsage) error.message += "; --force overwrites it";
  return tl::unexpected(std::move(error));
}

Result<void> write_out(const std::string& path, std::string_view text, Existing existing) {
  if (!path.empty() && path != "-") return write_private(path, text, existing);
  Result<void> written = write_all(STDOUT_FILENO, text);
  if (!written) return tl::unexpected(with_context("standard output", std::move(written.error())));
  return {};
}

}  // namespace cryptnono::commands
