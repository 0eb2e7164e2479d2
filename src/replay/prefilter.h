// Prefilter: says of which lines of a log a rule might hit a command line, without parsing any.
//
// It errs on one side only: a line that it leaves out cannot hit. The reasons are in
// docs/adr/0011-replay.md: a maximal run of word bytes in a command line is one in the log line
// too, and what might tear one apart makes the line a candidate.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/types.h"

namespace cryptnono::replay {

// How a format writes command lines.
enum class Writing : std::uint8_t {
  kPlain,      // as they are
  kShell,      // perhaps quoted as for a shell
  kBackslash,  // a backslash and what follows it are an escape; perhaps quoted as for a shell, too
  kJson        // kBackslash, and every line is an object
};

// Immutable after building; any number of threads may ask.
class Prefilter {
 public:
  // For the rules of all of `configs`, which need to live only during the call.
  explicit Prefilter(const std::vector<const config::Execwhacker*>& configs);

  // Some rule has nothing that could be looked for: every line is a candidate.
  [[nodiscard]] bool passes_all() const { return passes_all_; }

  // Calls `candidate(begin, end, line)` for each candidate of `text`, in order: its offsets without
  // the newline and its number, from 0. `text` is whole lines; only the last may lack its newline.
  // Returns how many newlines `text` has.
  template <typename Function>
  std::size_t scan(std::string_view text, Writing writing, Function&& candidate) const;

  // For tests: the way without AVX2.
  void set_portable(bool portable) { portable_ = portable; }

 private:
  static constexpr std::size_t kChunk = 16384;  // with its masks it stays in the first-level cache
  static constexpr std::size_t kBlocks = kChunk / 64;
  static constexpr std::size_t kMargin = 64;
  static constexpr std::size_t kMaxSegment = 32;
  static constexpr std::size_t kMaxWord = 16;

  // A set of 64-bit hashes: two bits in one word of a Bloom filter, then an exact look.
  struct WordSet {
    std::vector<std::uint64_t> bloom{0};
    std::vector<std::uint64_t> slots{0};
    void build(std::vector<std::uint64_t> hashes);
    [[nodiscard]] bool has(std::uint64_t hash) const;
  };
  // Grams of segments of rules, each checked against its whole segment.
  struct Gram {
    std::uint32_t begin = 0;  // of the segment, in segments_
    std::uint8_t length = 0;
    std::uint8_t offset = 0;  // of the gram in the segment
    std::uint32_t next = 0;   // index + 1
  };
  struct GramSet {
    std::vector<std::uint64_t> bits;
    std::vector<std::uint32_t> heads;
    std::vector<Gram> grams;
    std::vector<std::uint64_t> keys;
    void build();
  };
  // What goes from one chunk to the next.
  struct Carry {
    std::uint64_t word = 0, solid = 0, quoted = 0, bracket = 0, escaped = 0;
    std::uint64_t line_begins = 1, closed = 1;
  };
  struct Chunk;

  void add(std::string_view rule, bool whole_word, std::vector<std::uint64_t>& hashes);
  void mark(Chunk& chunk, Writing writing, Carry& carry) const;
  void mark_words(Chunk& chunk) const;
  template <std::size_t Size, std::size_t Step>
  void mark_grams(Chunk& chunk, const GramSet& set) const;
  [[nodiscard]] bool confirms(const GramSet& set, std::uint64_t key, const char* at) const;
  void read(std::string_view text, std::size_t at, Writing writing, Carry& carry,
            Chunk& chunk) const;

  bool passes_all_ = false;
  bool portable_ = false;
  bool any_words_ = false;
  std::size_t shortest_word_ = kMaxWord;  // of words_, at most kMaxWord
  WordSet words_;
  GramSet long_;   // 8 bytes, at every fourth position
  GramSet short_;  // 3 bytes, at every position
  std::string segments_;
};

// Left as it comes: all of it is written before it is read, for each chunk.
// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
struct Prefilter::Chunk {
  std::size_t blocks = 0;
  std::array<std::uint64_t, kBlocks + 2> word;
  std::array<std::uint64_t, kBlocks + 1> newline;
  std::array<std::uint64_t, kBlocks + 1> candidate;
  std::uint64_t before = 0;  // the byte before the chunk is a word's
  // The text begins behind the margin.
  std::array<char, kMargin + kChunk + 2 * kMargin> folded;
};

template <typename Function>
std::size_t Prefilter::scan(std::string_view text, Writing writing, Function&& candidate) const {
  static thread_local Chunk chunk;
  Carry carry;
  std::size_t lines = 0;
  std::size_t done = 0;  // everything before it has been judged
  const auto judge_line_of = [&](std::size_t position, std::size_t line) {
    if (position < done) return;
    const void* before = memrchr(text.data(), '\n', position);
    const std::size_t begin =
        before == nullptr
            ? 0
            : static_cast<std::size_t>(static_cast<const char*>(before) - text.data()) + 1;
    std::size_t end = text.find('\n', position);
    if (end == std::string_view::npos) end = text.size();
    done = end + 1;
    candidate(begin, end, line);
  };
  for (std::size_t at = 0; at < text.size(); at += kChunk) {
    read(text, at, writing, carry, chunk);
    for (std::size_t block = 0; block < chunk.blocks; ++block) {
      const std::uint64_t newlines = chunk.newline[block];
      for (std::uint64_t left = chunk.candidate[block]; left != 0; left &= left - 1) {
        const auto bit = static_cast<unsigned>(__builtin_ctzll(left));
        const std::size_t position = at + block * 64 + bit;
        if (position >= text.size()) break;
        const std::uint64_t below = newlines & ((std::uint64_t{1} << bit) - 1);
        judge_line_of(position, lines + static_cast<std::size_t>(__builtin_popcountll(below)));
      }
      lines += static_cast<std::size_t>(__builtin_popcountll(newlines));
    }
  }
  return lines;
}

}  // namespace cryptnono::replay
