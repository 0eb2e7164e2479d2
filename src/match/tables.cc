#include "match/tables.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "match/engine.h"
#include "match/trie.h"

namespace cryptnono::match {

void Tables::Free::operator()(std::byte* p) const { std::free(p); }

// Lays the finished trie out in pages.
class TableWriter {
 public:
  TableWriter(const Trie& trie, match_header header) : trie_(trie), header_(header) {}

  Result<Tables> write() {
    const auto edges = static_cast<std::uint32_t>(trie_.states().size());
    // 70 % full at first; what does not fit into MATCH_MAX_PROBES buckets asks for a larger table.
    for (std::uint32_t buckets = edges / 2 * 5 / 7 + 16;; buckets += buckets / 4) {
      lay_out(buckets);
      if (!allocate()) return fail("out of memory for the rule tables");
      if (!write_edges()) continue;
      write_filters();
      write_states();
      std::memcpy(tables_.data_.get(), &header_, sizeof header_);
      return std::move(tables_);
    }
  }

 private:
  static std::uint32_t pages_for(std::size_t bytes) {
    return static_cast<std::uint32_t>((bytes + MATCH_PAGE - 1) / MATCH_PAGE);
  }

  void lay_out(std::uint32_t buckets) {
    // 16 bits of filter for each first word: with two bits set for each, 1.4 % of other words pass.
    std::uint32_t filter_words = MATCH_PAGE / 8;
    while (std::size_t{filter_words} * 64 < trie_.first_words().size() * 16) filter_words *= 2;
    header_.filter_mask = filter_words - 1;
    header_.goto_buckets = buckets;
    header_.states = static_cast<std::uint32_t>(trie_.states().size());
    header_.outputs = static_cast<std::uint32_t>(trie_.outputs().size());
    std::uint32_t page = 1;
    const auto take = [&page](std::size_t bytes) {
      return std::exchange(page, page + pages_for(bytes));
    };
    header_.filter_page = take(std::size_t{filter_words} * 8);
    header_.gram_page = take(MATCH_PAGE);
    header_.goto_page = take(std::size_t{buckets} * MATCH_BUCKET_EDGES * sizeof(match_edge));
    header_.state_page = take(trie_.states().size() * sizeof(match_state));
    header_.output_page = take(trie_.outputs().size() * sizeof(match_output));
    header_.pages = page;
  }

  bool allocate() {
    tables_.size_ = std::size_t{header_.pages} * MATCH_PAGE;
    tables_.data_.reset(static_cast<std::byte*>(std::aligned_alloc(MATCH_PAGE, tables_.size_)));
    if (!tables_.data_) return false;
    std::memset(tables_.data_.get(), 0, tables_.size_);
    return true;
  }

  template <typename T>
  T* at(std::uint32_t page) {
    return reinterpret_cast<T*>(tables_.data_.get() + std::size_t{page} * MATCH_PAGE);
  }

  bool write_edges() {
    auto* edges = at<match_edge>(header_.goto_page);
    for (std::uint32_t i = 2; i < header_.states; ++i) {
      const TrieState& state = trie_.states()[i];
      const std::uint64_t key = match_goto_key(state.parent, state.symbol);
      if (!insert(edges, key, i)) return false;
    }
    return true;
  }

  bool insert(match_edge* edges, std::uint64_t key, std::uint32_t next) const {
    std::uint32_t bucket = match_goto_bucket(key, header_.goto_buckets);
    for (int probe = 0; probe < MATCH_MAX_PROBES; ++probe) {
      for (int slot = 0; slot < MATCH_BUCKET_EDGES; ++slot) {
        match_edge& edge = edges[std::size_t{bucket} * MATCH_BUCKET_EDGES + slot];
        if (edge.key != 0) continue;
        edge = {.key = key, .next = next, .reserved = 0};
        return true;
      }
      bucket = bucket + 1 == header_.goto_buckets ? 0 : bucket + 1;
    }
    return false;
  }

  void write_filters() {
    auto* filter = at<std::uint64_t>(header_.filter_page);
    for (const std::uint64_t symbol : trie_.first_words()) {
      filter[(symbol >> 40) & header_.filter_mask] |=
          std::uint64_t{1} << ((symbol >> 1) & 63) | std::uint64_t{1} << ((symbol >> 7) & 63);
    }
    auto* grams = at<std::uint8_t>(header_.gram_page);
    for (const std::uint32_t gram : trie_.first_grams()) {
      const std::uint32_t bit = match_gram_bit(gram);
      grams[bit >> 3] = static_cast<std::uint8_t>(grams[bit >> 3] | 1U << (bit & 7));
    }
  }

  void write_states() {
    auto* states = at<match_state>(header_.state_page);
    for (std::uint32_t i = 0; i < header_.states; ++i) {
      states[i] = {.fail = trie_.states()[i].fail, .output = trie_.states()[i].output};
    }
    std::memcpy(at<match_output>(header_.output_page), trie_.outputs().data(),
                trie_.outputs().size() * sizeof(match_output));
  }

  const Trie& trie_;
  match_header header_;
  Tables tables_;
};

Result<Tables> build_tables(std::span<const Entry> entries, const BuildOptions& options) {
  match_header header = {};
  header.magic = MATCH_MAGIC;
  header.generation = options.generation;
  header.seed = options.seed;
  while (header.seed == 0) {
    if (getrandom(&header.seed, sizeof header.seed, 0) != sizeof header.seed) {
      return fail_errno("getrandom", errno);
    }
  }
  if (options.always_defer) header.flags |= MATCH_ALWAYS_DEFER;
  Trie trie(&header);
  trie.reserve(
      std::accumulate(entries.begin(), entries.end(), std::size_t{0},
                      [](std::size_t sum, const Entry& e) { return sum + e.text.size(); }));
  for (const Entry& entry : entries) TRY(trie.add(entry));
  trie.link();
  return TableWriter(trie, header).write();
}

}  // namespace cryptnono::match
