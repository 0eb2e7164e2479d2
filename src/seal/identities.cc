#include "seal/identities.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "base/fd.h"
#include "seal/bech32.h"
#include "seal/header.h"
#include "seal/openssh_key.h"

namespace cryptnono::seal {

namespace {

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// What keep_environment_identity() took; written before any thread starts.
Secret& environment_identity() {
  static Secret secret;
  return secret;
}

Result<Identity> parse_age_key(std::string_view line) {
  if (line.starts_with("AGE-SECRET-KEY-PQ-"))
    return fail("a post-quantum key, which is not supported; use one of age-keygen of Debian");
  if (line.starts_with("AGE-PLUGIN-"))
    return fail("a key of a plugin of age, which is not supported");
  if (line.starts_with("age1") || line.starts_with("ssh-"))
    return fail("a public key; an identity is the private one");
  auto key = decode_bech32(line);
  if (!key || key->prefix != "age-secret-key-" || key->data.size() != 32 || line[0] != 'A')
    return fail("not an age identity (AGE-SECRET-KEY-1...)");
  Identity out;
  out.secret = std::move(key->data);
  return out;
}

}  // namespace

Result<void> Identities::add(std::string_view name, std::string_view text) {
  const std::size_t before = all_.size();
  const auto wrong = [&](std::size_t line, std::string_view what) {
    return fail(
        line == 0 ? fmt::format("{}: {}", name, what) : fmt::format("{}:{}: {}", name, line, what),
        ExitCode::kConfig);
  };
  const std::string_view trimmed = trim(text);
  if (trimmed.starts_with("age-encryption.org/") || is_armored(text))
    return wrong(0,
                 "the identity is encrypted itself, which is not supported: nobody is there to "
                 "type its passphrase");
  if (trimmed.starts_with("-----BEGIN ")) {
    Result<Identity> key = parse_openssh_key(trimmed);
    if (!key) return wrong(0, key.error().message);
    all_.push_back(*std::move(key));
    origins_.emplace_back(name);
    return {};
  }
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.starts_with('#')) continue;
    Result<Identity> key = parse_age_key(line);
    if (!key) return wrong(number, key.error().message);
    all_.push_back(*std::move(key));
  }
  if (all_.size() == before) return wrong(0, "no identity in it");
  origins_.emplace_back(name);
  return {};
}

Result<void> Identities::add_file(const std::string& path) {
  const auto failed = [&](std::string_view what) {
    Error error = fail_errno(fmt::format("{}: {}", path, what), errno).value();
    error.code = ExitCode::kConfig;
    return tl::unexpected(std::move(error));
  };
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return failed("cannot open");
  Secret text(kMaxIdentityFile);
  std::size_t size = 0;
  for (;;) {
    const ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("cannot read");
    size += static_cast<std::size_t>(got);
    if (got == 0) break;
    if (size == text.size())
      return fail(
          fmt::format("{}: larger than {} KiB; not an identity", path, kMaxIdentityFile >> 10),
          ExitCode::kConfig);
  }
  text.shrink(size);
  struct stat status {};
  if (::fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode) &&
      (status.st_mode & (S_IRGRP | S_IROTH)) != 0)
    readable_by_others_.push_back(path);
  return add(path, text.view());
}

Result<void> Identities::add_path(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return add_file(path);
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->path().filename().string().starts_with('.')) continue;
    if (entry->is_regular_file(ignored)) files.push_back(entry->path().string());
  }
  if (error)
    return fail(fmt::format("{}: cannot read: {}", path, error.message()), ExitCode::kConfig);
  // A place for identities, where nobody has put any as yet: what is not sealed needs none.
  if (files.empty()) origins_.push_back(path + " (no file in it)");
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) TRY(add_file(file));
  return {};
}

Result<Identities> Identities::load(const std::vector<std::string>& paths) {
  Identities out;
  for (const std::string& path : paths) TRY(out.add_path(path));
  if (const Secret& key = environment_identity(); !key.empty())
    TRY(out.add(kIdentityVariable, key.view()));
  return out;
}

Result<Identities> Identities::parse(std::string_view name, const Secret& text) {
  Identities out;
  TRY(out.add(name, text.view()));
  return out;
}

std::string Identities::origin() const {
  if (origins_.empty()) return "no identity is given";
  return fmt::format("identities of {}", fmt::join(origins_, ", "));
}

void keep_environment_identity() {
  char* const value = ::getenv(kIdentityVariable);  // NOLINT(concurrency-mt-unsafe): no thread yet
  if (value == nullptr) return;
  environment_identity() = Secret::copy_of(value);
  wipe(value, std::strlen(value));
  ::unsetenv(kIdentityVariable);  // NOLINT(concurrency-mt-unsafe): no thread yet
}

}  // namespace cryptnono::seal
