#include "replay/masks.h"

#include <array>

#include "base/utf8.h"
#include "match/matcher.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace cryptnono::replay {

namespace {

enum Class : std::uint8_t {
  kWord = 1,
  kSolid = 2,
  kQuote = 4,
  kBackslash = 8,
  kBracket = 16,
  kOpen = 32,
  kClose = 64,
  kNewline = 128
};

constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> out{};
  for (unsigned c = 0; c < 256; ++c) {
    const bool word = match::is_word(static_cast<char>(c));
    unsigned bits = 0;
    if (word) bits |= kWord;
    if (word || c >= 0x80 || c == '@' || c == '%' || c == '+' || c == '=' || c == '.' || c == '/' ||
        c == '-')
      bits |= kSolid;
    if (c == '\'' || c == '"' || c == '\\') bits |= kQuote;
    if (c == '\\') bits |= kBackslash;
    if (c == '[') bits |= kBracket;
    if (c == '{') bits |= kOpen;
    if (c == '}' || c == '\r') bits |= kClose;
    if (c == '\n') bits |= kNewline;
    out.at(c) = static_cast<std::uint8_t>(bits);
  }
  return out;
}();

void classify_portable(const char* text, std::span<Masks> masks, char* folded) {
  for (Masks& out : masks) {
    out = {};
    for (unsigned i = 0; i < 64; ++i) {
      const auto c = static_cast<unsigned char>(text[i]);
      const std::uint64_t bits = kClasses[c];
      out.word |= (bits & 1) << i;
      out.solid |= (bits >> 1 & 1) << i;
      out.quote |= (bits >> 2 & 1) << i;
      out.backslash |= (bits >> 3 & 1) << i;
      out.bracket |= (bits >> 4 & 1) << i;
      out.open |= (bits >> 5 & 1) << i;
      out.close |= (bits >> 6 & 1) << i;
      out.newline |= (bits >> 7 & 1) << i;
      folded[i] = ascii_lower(text[i]);
    }
    text += 64;
    folded += 64;
  }
}

#if defined(__x86_64__)
// NOLINTBEGIN(portability-simd-intrinsics)
#define CRYPTNONO_AVX2 __attribute__((target("avx2"), always_inline)) inline

CRYPTNONO_AVX2 std::uint64_t bits_of(__m256i v) {
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(v));
}
CRYPTNONO_AVX2 __m256i is(__m256i v, char c) { return _mm256_cmpeq_epi8(v, _mm256_set1_epi8(c)); }
CRYPTNONO_AVX2 __m256i in_range(__m256i v, char first, char span) {
  const __m256i x = _mm256_sub_epi8(v, _mm256_set1_epi8(first));
  return _mm256_cmpeq_epi8(_mm256_min_epu8(x, _mm256_set1_epi8(span)), x);
}

// 32 bytes, into the bits from `shift` on.
CRYPTNONO_AVX2 void classify_half(const char* text, unsigned shift, Masks& out, char* folded) {
  const __m256i raw = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text));
  const __m256i upper = in_range(raw, 'A', 25);
  const __m256i low = _mm256_add_epi8(raw, _mm256_and_si256(upper, _mm256_set1_epi8(32)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(folded), low);
  const __m256i word =
      _mm256_or_si256(_mm256_or_si256(in_range(low, 'a', 25), in_range(low, '0', 9)), is(low, '_'));
  // "-./" is a range of three.
  const __m256i more =
      _mm256_or_si256(_mm256_or_si256(_mm256_or_si256(in_range(low, '-', 2), is(low, '@')),
                                      _mm256_or_si256(is(low, '%'), is(low, '+'))),
                      is(low, '='));
  const __m256i backslash = is(low, '\\');
  const __m256i quote = _mm256_or_si256(_mm256_or_si256(is(low, '\''), is(low, '"')), backslash);
  out.word |= bits_of(word) << shift;
  // The sign bit says >= 0x80.
  out.solid |= bits_of(_mm256_or_si256(_mm256_or_si256(word, more), raw)) << shift;
  out.quote |= bits_of(quote) << shift;
  out.backslash |= bits_of(backslash) << shift;
  out.bracket |= bits_of(is(low, '[')) << shift;
  out.open |= bits_of(is(low, '{')) << shift;
  out.close |= bits_of(_mm256_or_si256(is(low, '}'), is(low, '\r'))) << shift;
  out.newline |= bits_of(is(low, '\n')) << shift;
}

__attribute__((target("avx2"))) void classify_avx2(const char* text, std::span<Masks> masks,
                                                   char* folded) {
  for (Masks& out : masks) {
    Masks block;
    classify_half(text, 0, block, folded);
    classify_half(text + 32, 32, block, folded + 32);
    out = block;
    text += 64;
    folded += 64;
  }
}
// NOLINTEND(portability-simd-intrinsics)
#endif

}  // namespace

void classify(const char* text, std::span<Masks> masks, char* folded, bool portable) {
#if defined(__x86_64__)
  static const bool avx2 = __builtin_cpu_supports("avx2") != 0;
  if (avx2 && !portable) return classify_avx2(text, masks, folded);
#endif
  (void)portable;
  classify_portable(text, masks, folded);
}

}  // namespace cryptnono::replay
