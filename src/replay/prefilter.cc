#include "replay/prefilter.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/utf8.h"
#include "match/matcher.h"
#include "replay/masks.h"

// Bit tricks are one instruction each from Haswell on; which processor it is is asked at run time.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define CRYPTNONO_CLONES __attribute__((target_clones("arch=haswell", "default")))
#else
#define CRYPTNONO_CLONES
#endif

namespace cryptnono::replay {

namespace {

using match::is_word;

bool is_solid(char c) {
  return is_word(c) || static_cast<unsigned char>(c) >= 0x80 ||
         std::string_view("@%+=./-").find(c) != std::string_view::npos;
}

// Names of fields, and what each of our own lines says: as anchors they would make every line a
// candidate.
bool is_commonplace(std::string_view word) {
  static constexpr std::array<std::string_view, 24> kNames{
      "action", "ancestors",   "cmdline", "comm",   "connect", "detector", "event", "evidence",
      "exe",    "execwhacker", "group",   "info",   "kind",    "killed",   "level", "node",
      "pid",    "ppid",        "rule",    "string", "uid",     "usr",      "bin",   "python3"};
  return std::find(kNames.begin(), kNames.end(), word) != kNames.end();
}

std::uint64_t load(const char* at) {
  std::uint64_t out = 0;
  std::memcpy(&out, at, sizeof out);
  return out;
}

constexpr std::array<std::uint64_t, 9> kKeep = [] {
  std::array<std::uint64_t, 9> out{};
  for (std::size_t i = 1; i < 8; ++i) out.at(i) = (std::uint64_t{1} << (8 * i)) - 1;
  out[8] = ~std::uint64_t{0};
  return out;
}();

// Of a folded run of word bytes: its first 16 bytes. 16 bytes at `at` must be readable.
std::uint64_t hash_run(const char* at, std::size_t length) {
  const std::uint64_t first = load(at) & kKeep[std::min<std::size_t>(length, 8)];
  const std::uint64_t second =
      load(at + 8) & kKeep[length <= 8 ? 0 : std::min<std::size_t>(length - 8, 8)];
  std::uint64_t hash = first * 0x9e3779b97f4a7c15ULL ^ second * 0xc2b2ae3d27d4eb4fULL;
  hash ^= hash >> 32;
  return hash * 0xd6e8feb86659fd93ULL;
}

std::uint64_t gram_key(const char* at, std::size_t size) {
  return (load(at) & kKeep[size]) * 0x9e3779b97f4a7c15ULL;
}

std::uint64_t bits_in_word(std::uint64_t hash) {
  return std::uint64_t{1} << (hash & 63) | std::uint64_t{1} << (hash >> 6 & 63);
}

}  // namespace

void Prefilter::WordSet::build(std::vector<std::uint64_t> hashes) {
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  // 32 to 64 bits for each: 0.2 % of other words pass, and 50,000 rules take half a megabyte at
  // most, which a second-level cache holds.
  bloom.assign(std::bit_ceil(hashes.size() / 2 + 1), 0);
  slots.assign(std::bit_ceil(hashes.size() * 2 + 1), 0);
  for (const std::uint64_t hash : hashes) {
    bloom[hash >> 32 & (bloom.size() - 1)] |= bits_in_word(hash);
    std::size_t slot = hash >> 20 & (slots.size() - 1);
    while (slots[slot] != 0) slot = (slot + 1) & (slots.size() - 1);
    slots[slot] = hash | 1;
  }
}

bool Prefilter::WordSet::has(std::uint64_t hash) const {
  for (std::size_t slot = hash >> 20 & (slots.size() - 1); slots[slot] != 0;
       slot = (slot + 1) & (slots.size() - 1)) {
    if (slots[slot] == (hash | 1)) return true;
  }
  return false;
}

void Prefilter::GramSet::build() {
  bits.assign(std::max<std::size_t>(std::bit_ceil(grams.size()) / 2, 512), 0);
  heads.assign(std::bit_ceil(grams.size() + 1), 0);
  for (std::size_t i = 0; i < grams.size(); ++i) {
    const std::uint64_t key = keys[i];
    bits[key >> 38 & (bits.size() - 1)] |= std::uint64_t{1} << (key >> 32 & 63);
    std::uint32_t& head = heads[key >> 36 & (heads.size() - 1)];
    grams[i].next = head;
    head = static_cast<std::uint32_t>(i + 1);
  }
}

Prefilter::Prefilter(const std::vector<const config::Execwhacker*>& configs) {
  std::vector<std::uint64_t> hashes;
  for (const config::Execwhacker* config : configs) {
    for (const config::RuleGroup& group : config->groups) {
      for (const auto& rule : group.banned_strings) add(rule.text, true, hashes);
      for (const auto& rule : group.banned_substrings) add(rule.text, false, hashes);
    }
  }
  any_words_ = !hashes.empty();
  words_.build(std::move(hashes));
  long_.build();
  short_.build();
}

// A rule is looked for by its longest run of word bytes that must be one in the text too, else by
// its longest segment of solid bytes.
void Prefilter::add(std::string_view rule, bool whole_word, std::vector<std::uint64_t>& hashes) {
  std::string folded = ascii_lower(rule);
  const std::size_t size = folded.size();
  folded.append(16, '\0');
  std::size_t best = 0;
  std::size_t best_length = 0;
  bool best_common = true;
  for (std::size_t i = 0; i < size;) {
    if (!is_word(folded[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < size && is_word(folded[end])) ++end;
    const bool bounded = whole_word || (i > 0 && end < size);
    const bool common = is_commonplace(std::string_view(folded).substr(i, end - i));
    if (bounded &&
        (best_length == 0 || std::pair(!common, end - i) > std::pair(!best_common, best_length))) {
      best = i;
      best_length = end - i;
      best_common = common;
    }
    i = end;
  }
  if (best_length > 0) {
    hashes.push_back(hash_run(folded.data() + best, best_length));
    shortest_word_ = std::min(shortest_word_, best_length);
    return;
  }
  for (std::size_t i = 0; i < size;) {
    std::size_t end = i;
    while (end < size && is_solid(folded[end])) ++end;
    if (end - i > best_length) {
      best = i;
      best_length = end - i;
    }
    i = end + 1;
  }
  if (best_length < 3) {
    passes_all_ = true;
    return;
  }
  best_length = std::min(best_length, kMaxSegment);
  const bool is_long = best_length >= 11;
  GramSet& set = is_long ? long_ : short_;
  // An occurrence of 11 bytes or more has 8 from some position that is a multiple of four.
  for (unsigned offset = 0; offset < (is_long ? 4U : 1U); ++offset) {
    set.grams.push_back({.begin = static_cast<std::uint32_t>(segments_.size()),
                         .length = static_cast<std::uint8_t>(best_length),
                         .offset = static_cast<std::uint8_t>(offset),
                         .next = 0});
    set.keys.push_back(gram_key(folded.data() + best + offset, is_long ? 8 : 3));
  }
  segments_.append(folded, best, best_length);
}

// The lines that must be judged whatever is in them, and the words as they are without escapes.
CRYPTNONO_CLONES void Prefilter::mark(Chunk& chunk, Writing writing, Carry& carry) const {
  std::array<Masks, kBlocks + 1> masks;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const std::size_t blocks = chunk.blocks;
  classify(chunk.folded.data() + kMargin, std::span(masks).first(blocks + 1),
           chunk.folded.data() + kMargin, portable_);
  Carry now = carry;
  for (std::size_t i = 0; i <= blocks; ++i) {
    if (i == blocks) carry = now;  // the block behind the chunk is the next one's first
    Masks& m = masks[i];
    std::uint64_t flags = passes_all_ ? ~std::uint64_t{0} : 0;
    if (writing == Writing::kBackslash || writing == Writing::kJson) {
      std::uint64_t escaped = now.escaped;
      now.escaped = 0;
      for (std::uint64_t left = m.backslash & ~escaped; left != 0; left &= left - 1) {
        const std::uint64_t bit = left & -left;
        if ((escaped & bit) != 0) continue;
        if (bit >> 63 != 0) {
          now.escaped = 1;
        } else {
          escaped |= bit << 1;
        }
      }
      // What is escaped is no letter. Other escapes than these may be one, or hide one.
      for (std::uint64_t left = escaped; left != 0; left &= left - 1) {
        const auto at = static_cast<std::size_t>(__builtin_ctzll(left));
        const char c = chunk.folded[kMargin + i * 64 + at];
        if (std::string_view("\"\\ntr").find(c) == std::string_view::npos) flags |= left & -left;
      }
      m.word &= ~escaped;
      m.solid &= ~escaped;
    }
    if (writing != Writing::kPlain) {
      // Solid, quotes, solid: without the quotes they may be one. An addition runs along the
      // quotes, and out of the block with those that reach its end.
      const std::uint64_t begins = m.quote & (m.solid << 1 | now.solid | now.quoted);
      std::uint64_t sum = 0;
      const bool runs_on = __builtin_add_overflow(m.quote, begins, &sum);
      flags |= ((sum & ~m.quote) | now.quoted) & ~m.quote & m.solid;
      now.quoted = runs_on ? 1 : 0;
      now.solid = m.solid >> 63;
    }
    if (writing == Writing::kJson) {
      // "[word": what a redacted line has. And what is no object.
      flags |= (m.bracket << 1 | now.bracket) & m.word;
      flags |= (m.newline << 1 | now.line_begins) & ~m.open;
      flags |= m.newline & ~(m.close << 1 | now.closed);
      now.bracket = m.bracket >> 63;
      now.line_begins = m.newline >> 63;
      now.closed = m.close >> 63;
    }
    chunk.word[i] = m.word;
    chunk.newline[i] = m.newline;
    chunk.candidate[i] = flags;
  }
  chunk.word[blocks + 1] = 0;
}

CRYPTNONO_CLONES void Prefilter::mark_words(Chunk& chunk) const {
  const std::uint64_t* bloom = words_.bloom.data();
  const std::uint64_t mask = words_.bloom.size() - 1;
  std::uint64_t before = chunk.before;
  for (std::size_t i = 0; i < chunk.blocks; ++i) {
    const std::uint64_t word = chunk.word[i];
    const std::uint64_t next = chunk.word[i + 1];
    std::uint64_t found = 0;
    // Where words begin that are long enough for any rule: a third of all are not.
    std::uint64_t starts = word & ~(word << 1 | before);
    for (std::size_t behind = 1; behind < shortest_word_; ++behind)
      starts &= word >> behind | next << (64 - behind);
    for (; starts != 0; starts &= starts - 1) {
      const auto bit = static_cast<unsigned>(__builtin_ctzll(starts));
      const std::uint64_t run = word >> bit | (next << 1) << (63 - bit);
      const auto length = static_cast<std::size_t>(std::countr_one(run));
      const std::uint64_t hash =
          hash_run(chunk.folded.data() + kMargin + i * 64 + bit, std::min<std::size_t>(length, 16));
      const std::uint64_t wanted = bits_in_word(hash);
      if ((bloom[hash >> 32 & mask] & wanted) == wanted && words_.has(hash)) [[unlikely]]
        found |= std::uint64_t{1} << bit;
    }
    chunk.candidate[i] |= found;
    before = word >> 63;
  }
}

bool Prefilter::confirms(const GramSet& set, std::uint64_t key, const char* at) const {
  // Who bans thousands of strings with the same beginning gets lines judged, not compared for long.
  int left = 16;
  for (std::uint32_t i = set.heads[key >> 36 & (set.heads.size() - 1)]; i != 0;
       i = set.grams[i - 1].next) {
    const Gram& gram = set.grams[i - 1];
    if (--left == 0 ||
        std::memcmp(at - gram.offset, segments_.data() + gram.begin, gram.length) == 0)
      return true;
  }
  return false;
}

template <std::size_t Size, std::size_t Step>
void Prefilter::mark_grams(Chunk& chunk, const GramSet& set) const {
  const std::uint64_t* bits = set.bits.data();
  const std::uint64_t mask = set.bits.size() - 1;
  for (std::size_t i = 0; i < chunk.blocks; ++i) {
    const char* block = chunk.folded.data() + kMargin + i * 64;
    for (std::size_t at = 0; at < 64; at += Step) {
      const std::uint64_t key = gram_key(block + at, Size);
      if ((bits[key >> 38 & mask] >> (key >> 32 & 63) & 1) != 0 && confirms(set, key, block + at))
          [[unlikely]]
        chunk.candidate[i] |= std::uint64_t{1} << at;
    }
  }
}

void Prefilter::read(std::string_view text, std::size_t at, Writing writing, Carry& carry,
                     Chunk& chunk) const {
  // The end of the chunk before stays as the margin; behind the text there are newlines.
  if (at == 0) {
    std::memset(chunk.folded.data(), '\n', kMargin);
    carry = {};
  } else {
    std::memcpy(chunk.folded.data(), chunk.folded.data() + kChunk, kMargin);
  }
  const std::size_t size = std::min(text.size() - at, kChunk + 2 * kMargin);
  std::memcpy(chunk.folded.data() + kMargin, text.data() + at, size);
  std::memset(chunk.folded.data() + kMargin + size, '\n', kChunk + 2 * kMargin - size);
  chunk.blocks = (std::min(text.size() - at, kChunk) + 63) / 64;
  chunk.before = carry.word;
  mark(chunk, writing, carry);
  carry.word = chunk.word[chunk.blocks - 1] >> 63;
  // A newline that is not the text's is none of its lines.
  if (text.size() - at < chunk.blocks * 64) {
    const std::size_t in_last = (text.size() - at) - (chunk.blocks - 1) * 64;
    chunk.newline[chunk.blocks - 1] &= (std::uint64_t{1} << in_last) - 1;
    // The last line, which has no newline, ends at the first byte behind the text.
    if ((chunk.candidate[chunk.blocks - 1] >> in_last & 1) != 0 && text.back() != '\n')
      chunk.candidate[chunk.blocks - 1] |= std::uint64_t{1} << (in_last - 1);
  } else if (text.size() - at == chunk.blocks * 64 && text.back() != '\n' &&
             (chunk.candidate[chunk.blocks] & 1) != 0) {
    chunk.candidate[chunk.blocks - 1] |= std::uint64_t{1} << 63;
  }
  if (any_words_) mark_words(chunk);
  if (!long_.grams.empty()) mark_grams<8, 4>(chunk, long_);
  if (!short_.grams.empty()) mark_grams<3, 1>(chunk, short_);
}

}  // namespace cryptnono::replay
