// The automatons of the tables while they are being built: a trie with failure links over 64-bit
// symbols.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bpf/api/match.h"

namespace cryptnono::match {

struct Entry;

struct TrieState {
  std::uint64_t symbol = 0;  // on the edge from `parent`
  std::uint32_t parent = 0;
  std::uint32_t fail = 0;
  std::uint32_t depth = 0;   // symbols from the root
  std::uint32_t gram = 0;    // substrings: the last three bytes of the path, folded
  std::uint32_t output = 0;  // index into outputs, 0: none
};

// Both machines in one state space: state MATCH_ROOT_WORDS, state MATCH_ROOT_SUBSTRINGS, then the
// rest in order of insertion.
class Trie {
 public:
  // `header` gives the seed and receives gap_starts and the flags; it must outlive the trie.
  explicit Trie(match_header* header);

  // Makes room for so many bytes of text.
  void reserve(std::size_t text_bytes);
  // Adds one entry. Errors: more than kMaxStates.
  Result<void> add(const Entry& entry);
  // Computes failure links and hands every state the outputs of its suffixes. Call once, after the
  // last add.
  void link();

  [[nodiscard]] const std::vector<TrieState>& states() const { return states_; }
  [[nodiscard]] const std::vector<match_output>& outputs() const { return outputs_; }
  // Symbols of the words that strings begin with.
  [[nodiscard]] const std::vector<std::uint64_t>& first_words() const { return first_words_; }
  // First three bytes of the substrings.
  [[nodiscard]] const std::vector<std::uint32_t>& first_grams() const { return first_grams_; }

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t next = 0;
  };

  Result<std::uint32_t> add_words(std::string_view text);
  Result<std::uint32_t> add_bytes(std::string_view text);
  Result<std::uint32_t> child(std::uint32_t parent, std::uint64_t symbol);
  [[nodiscard]] std::uint32_t find(std::uint32_t state, std::uint64_t symbol) const;
  [[nodiscard]] std::uint32_t fail_of(std::uint32_t state) const;
  void grow();
  Slot& slot(std::uint64_t key);

  match_header* header_;
  std::vector<TrieState> states_;
  std::vector<match_output> outputs_;
  std::vector<std::uint64_t> first_words_;
  std::vector<std::uint32_t> first_grams_;
  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
};

}  // namespace cryptnono::match
