// The matcher in user space: the kernel's own code (bpf/lib/match.h) over the same tables.
//
// Used for scans, for `explain` and `replay`, and to find out which rule it was when the kernel
// says that it killed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "bpf/api/match.h"

namespace cryptnono::match {

// A byte of a word, as the kernel side sees it (bpf/lib/match.h).
constexpr bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

struct Hit {
  std::uint64_t groups = 0;  // mask of the groups of everything banned that was found
  std::uint32_t rule =
      MATCH_NO_RULE;  // the first by end position, the longest at that end; words before substrings
  std::uint32_t flags = 0;  // MATCH_OUT_*

  [[nodiscard]] bool banned() const { return (flags & MATCH_OUT_BANNED) != 0; }
};

// What one command line consists of. Any view may be empty.
struct CommandLine {
  std::string_view path;      // the executable, resolved
  std::string_view filename;  // as given to execve
  std::string_view
      argv;  // NUL after each argument, as in /proc/PID/cmdline; the last NUL may be missing
};

// Reads tables that must outlive it. Stateless; any number of threads.
class Matcher {
 public:
  explicit Matcher(std::span<const std::byte> tables) : tables_(tables) {}

  // The verdict that the kernel gives, on all of `line`: the path, the file name, argv, and argv
  // with its first argument replaced by the file name (which is the line that the predecessor saw).
  [[nodiscard]] Hit match(const CommandLine& line, std::size_t chunk = MATCH_CHUNK) const;

  // One text alone. `chunk` is for tests: the verdict does not depend on it.
  [[nodiscard]] Hit match_text(std::string_view text, std::size_t chunk = MATCH_CHUNK) const;

  [[nodiscard]] const match_header& header() const {
    return *reinterpret_cast<const match_header*>(tables_.data());
  }

 private:
  std::span<const std::byte> tables_;
};

}  // namespace cryptnono::match
