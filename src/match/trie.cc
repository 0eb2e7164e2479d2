#include "match/trie.h"

#include <algorithm>
#include <numeric>

#include "match/engine.h"
#include "match/tables.h"

namespace cryptnono::match {

namespace {

constexpr std::uint32_t kRoots = 2;

std::uint8_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

bool is_word(std::string_view text, std::size_t i) {
  return i < text.size() && match_word_fold[byte_at(text, i)] != 0;
}

}  // namespace

Trie::Trie(match_header* header) : header_(header), states_(kRoots), outputs_(1), slots_(1024) {
  states_[MATCH_ROOT_SUBSTRINGS].fail = MATCH_ROOT_SUBSTRINGS;
}

void Trie::reserve(std::size_t text_bytes) {
  // A word symbol takes 4 to 5 bytes of real rules; too low a guess only costs a rehash.
  const std::size_t states = std::min<std::size_t>(text_bytes / 4 + kRoots, kMaxStates);
  states_.reserve(states);
  std::size_t slots = slots_.size();
  while (slots < states * 2) slots *= 2;
  slots_.resize(slots);
}

Trie::Slot& Trie::slot(std::uint64_t key) {
  std::size_t i = key & (slots_.size() - 1);
  while (slots_[i].key != 0 && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
  return slots_[i];
}

void Trie::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& entry : old) {
    if (entry.key != 0) slot(entry.key) = entry;
  }
}

std::uint32_t Trie::find(std::uint32_t state, std::uint64_t symbol) const {
  const std::uint64_t key = match_goto_key(state, symbol);
  return const_cast<Trie*>(this)->slot(key).next;  // reads only: an empty slot has next 0
}

Result<std::uint32_t> Trie::child(std::uint32_t parent, std::uint64_t symbol) {
  if (states_.size() * 2 >= slots_.size()) grow();
  const std::uint64_t key = match_goto_key(parent, symbol);
  Slot& entry = slot(key);
  if (entry.key != 0) return entry.next;
  if (states_.size() >= kMaxStates) {
    return fail("the rules need more than " + std::to_string(kMaxStates) + " matcher states",
                ExitCode::kConfig);
  }
  entry.key = key;
  entry.next = static_cast<std::uint32_t>(states_.size());
  TrieState state;
  state.symbol = symbol;
  state.parent = parent;
  state.depth = states_[parent].depth + 1;
  states_.push_back(state);
  return entry.next;
}

// The symbols must be those that match_words_step makes of a text in which the string stands as a
// whole word.
Result<std::uint32_t> Trie::add_words(std::string_view text) {
  std::uint32_t state = MATCH_ROOT_WORDS;
  for (std::size_t i = 0; i < text.size();) {
    std::uint64_t symbol = 0;
    const std::uint32_t from = state;
    if (is_word(text, i)) {
      std::uint64_t hash = match_word_start(header_);
      for (; is_word(text, i); ++i) hash = match_word_add(hash, match_word_fold[byte_at(text, i)]);
      symbol = match_word_symbol(hash);
      state = TRY(child(state, symbol));
      if (from == MATCH_ROOT_WORDS) first_words_.push_back(symbol);
    } else {
      const std::uint8_t folded = match_byte_fold[byte_at(text, i)];
      const std::uint32_t gap = match_gap_index(folded, i > 0 && is_word(text, i - 1) ? 1 : 0,
                                                is_word(text, i + 1) ? 1 : 0);
      ++i;
      state = TRY(child(state, match_gap_symbol(header_, gap)));
      if (from == MATCH_ROOT_WORDS) {
        header_->gap_starts[gap >> 3] |= static_cast<std::uint8_t>(1U << (gap & 7));
      }
    }
  }
  header_->flags |= MATCH_HAS_WORDS;
  return state;
}

Result<std::uint32_t> Trie::add_bytes(std::string_view text) {
  std::uint32_t state = MATCH_ROOT_SUBSTRINGS;
  std::uint32_t gram = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::uint8_t folded = match_byte_fold[byte_at(text, i)];
    gram = (gram << 8 | folded) & 0xffffff;
    if (i < 2) continue;
    if (i == 2) first_grams_.push_back(gram);
    state = TRY(child(
        state, i == 2 ? match_gram_symbol(header_, gram) : match_byte_symbol(header_, folded)));
    states_[state].gram = gram;
  }
  header_->flags |= MATCH_HAS_SUBSTRINGS;
  return state;
}

Result<void> Trie::add(const Entry& entry) {
  const bool anywhere = entry.kind != Kind::kWord;
  const std::uint32_t state = TRY(anywhere ? add_bytes(entry.text) : add_words(entry.text));
  header_->max_length =
      std::max(header_->max_length, static_cast<std::uint32_t>(entry.text.size()));
  if (states_[state].output == 0) {
    states_[state].output = static_cast<std::uint32_t>(outputs_.size());
    outputs_.push_back({.groups = 0, .rule = MATCH_NO_RULE, .flags = 0});
  }
  match_output& output = outputs_[states_[state].output];
  switch (entry.kind) {
    case Kind::kWord:
    case Kind::kSubstring:
      output.flags |= MATCH_OUT_BANNED;
      output.groups |= std::uint64_t{1} << std::min<unsigned>(entry.group, MATCH_MAX_GROUPS - 1);
      if (output.rule == MATCH_NO_RULE) output.rule = entry.rule;
      break;
    case Kind::kAllowLiteral:
      output.flags |= MATCH_OUT_ALLOW_LITERAL;
      break;
    case Kind::kAllowPath:
      output.flags |= MATCH_OUT_ALLOW_PATH;
      break;
  }
  return {};
}

// The state of the longest proper suffix of `state`'s path that is a path itself.
std::uint32_t Trie::fail_of(std::uint32_t state) const {
  const TrieState& self = states_[state];
  const bool bytes = self.gram != 0;
  const std::uint32_t root = bytes ? MATCH_ROOT_SUBSTRINGS : MATCH_ROOT_WORDS;
  if (self.parent == root) return root;
  for (std::uint32_t suffix = states_[self.parent].fail; suffix != root;
       suffix = states_[suffix].fail) {
    if (const std::uint32_t next = find(suffix, self.symbol)) return next;
  }
  const std::uint32_t next =
      find(root, bytes ? match_gram_symbol(header_, self.gram) : self.symbol);
  return next != 0 && next != state ? next : root;
}

void Trie::link() {
  // Suffixes are shorter: by depth, so that a state's suffixes are complete before the state is.
  std::vector<std::uint32_t> order(states_.size() - kRoots);
  std::iota(order.begin(), order.end(), kRoots);
  std::stable_sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
    return states_[a].depth < states_[b].depth;
  });
  for (const std::uint32_t index : order) {
    TrieState& state = states_[index];
    state.fail = fail_of(index);
    const std::uint32_t inherited = states_[state.fail].output;
    if (inherited == 0) continue;
    if (state.output == 0) {
      state.output = inherited;
      continue;
    }
    match_output& output = outputs_[state.output];
    output.groups |= outputs_[inherited].groups;
    output.flags |= outputs_[inherited].flags;
    if (output.rule == MATCH_NO_RULE) output.rule = outputs_[inherited].rule;
  }
}

}  // namespace cryptnono::match
