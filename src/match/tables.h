// Builds the tables of api/match.h from strings: the rules in the form that the kernel and the
// Matcher read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "bpf/api/match.h"

namespace cryptnono::match {

enum class Kind : std::uint8_t {
  kWord,          // banned, as a whole word
  kSubstring,     // banned, anywhere
  kAllowLiteral,  // anywhere; leaves the verdict to user space
  kAllowPath,     // anywhere in the executable's resolved path; leaves the verdict to user space
};

struct Entry {
  std::string_view
      text;  // 1 to config::kMaxRuleLength bytes; anywhere-kinds: at least kMinSubstringLength
  Kind kind = Kind::kWord;
  std::uint8_t group = 0;  // banned kinds: bit in the group mask, below MATCH_MAX_GROUPS
  std::uint32_t rule = MATCH_NO_RULE;  // banned kinds: what match_output.rule says
};

// Tables in user memory, page-aligned, ready to be copied into the kernel's map. Movable, immutable
// after building; any number of threads may read.
class Tables {
 public:
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_.get(), size_}; }
  [[nodiscard]] const match_header& header() const {
    return *reinterpret_cast<const match_header*>(data_.get());
  }

 private:
  friend class TableWriter;
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

struct BuildOptions {
  std::uint64_t seed = 0;  // 0: random
  std::uint32_t generation = 0;
  bool always_defer = false;  // sets MATCH_ALWAYS_DEFER
};

// States that one set of tables may hold: 16 million are 100,000 rules of 160 symbols, in about 400
// MiB. More is an error rather than a node without memory.
inline constexpr std::uint32_t kMaxStates = 16'000'000;

// Builds tables for `entries`. The texts need to live only during the call. Of equal texts the
// first one's rule counts, and all their groups. Errors: too many states.
Result<Tables> build_tables(std::span<const Entry> entries, const BuildOptions& options);

}  // namespace cryptnono::match
