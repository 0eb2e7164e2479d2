// Masks: which bytes of a block of text are what, 64 at a time, for the Prefilter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cryptnono::replay {

// One bit for each of 64 bytes, the first byte the lowest.
struct Masks {
  std::uint64_t word = 0;       // [A-Za-z0-9_]
  std::uint64_t solid = 0;      // what writing never tears apart: word, >= 0x80, and @%+=./-
  std::uint64_t quote = 0;      // ' " and backslash
  std::uint64_t backslash = 0;  // also among the quotes
  std::uint64_t bracket = 0;    // [
  std::uint64_t open = 0;       // {
  std::uint64_t close = 0;      // } and carriage return
  std::uint64_t newline = 0;
};

// Fills `masks` and `folded` (ASCII letters in lower case) from as many blocks of 64 bytes at
// `text`. Chosen at run time: AVX2 where the processor has it, else the portable way, which
// `portable` forces.
void classify(const char* text, std::span<Masks> masks, char* folded, bool portable = false);

}  // namespace cryptnono::replay
