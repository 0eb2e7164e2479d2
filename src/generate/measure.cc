#include "generate/measure.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>

#include "base/hex.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "generate/encode.h"
#include "match/matcher.h"
#include "match/tables.h"

namespace cryptnono::generate {

namespace {

// Any will do; always the same one, so that a run can be repeated.
constexpr std::uint64_t kTableSeed = 1;

template <typename Choose>  // bool(std::size_t index)
Result<match::Tables> tables_of(const std::vector<Candidate>& candidates, Choose choose) {
  std::vector<match::Entry> entries;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!choose(i)) continue;
    entries.push_back({.text = candidates[i].text,
                       .kind = candidates[i].kind == RuleKind::kWord ? match::Kind::kWord
                                                                     : match::Kind::kSubstring,
                       .group = 0,
                       .rule = static_cast<std::uint32_t>(i)});
  }
  return match::build_tables(entries, {.seed = kTableSeed});
}

bool is_word(std::string_view text, std::size_t at) {
  return at < text.size() && match::is_word(text[at]);
}

// Finds every candidate that stands in a line, by the bytes that it begins with.
class Finder {
 public:
  explicit Finder(const std::vector<Candidate>& candidates) : candidates_(candidates) {
    for (const Candidate& candidate : candidates) folded_.push_back(ascii_lower(candidate.text));
    for (std::uint32_t i = 0; i < folded_.size(); ++i) {
      const std::size_t length = std::min(folded_[i].size(), kPrefix);
      by_prefix_.at(length)[key(folded_[i], 0, length)].push_back(i);
    }
  }

  // Sorted, none twice.
  std::vector<std::uint32_t> find(std::string_view line) const {
    std::string text = ascii_lower(line);
    std::replace(text.begin(), text.end(), '\0', ' ');
    std::vector<std::uint32_t> found;
    for (std::size_t at = 0; at < text.size(); ++at) {
      for (std::size_t length = 1; length <= kPrefix && at + length <= text.size(); ++length) {
        const auto& map = by_prefix_.at(length);
        const auto entry = map.find(key(text, at, length));
        if (entry == map.end()) continue;
        for (const std::uint32_t i : entry->second) {
          if (stands_at(text, at, i)) found.push_back(i);
        }
      }
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
  }

 private:
  static constexpr std::size_t kPrefix = 4;

  static std::uint32_t key(std::string_view text, std::size_t at, std::size_t length) {
    std::uint32_t key = 0;
    for (std::size_t i = 0; i < length; ++i)
      key = key << 8U | static_cast<unsigned char>(text[at + i]);
    return key;
  }

  bool stands_at(std::string_view text, std::size_t at, std::uint32_t i) const {
    const std::string& wanted = folded_[i];
    if (text.compare(at, wanted.size(), wanted) != 0) return false;
    if (candidates_[i].kind == RuleKind::kSubstring) return true;
    return !(at > 0 && is_word(text, at - 1)) && !is_word(text, at + wanted.size());
  }

  const std::vector<Candidate>& candidates_;
  std::vector<std::string> folded_;
  std::array<std::unordered_map<std::uint32_t, std::vector<std::uint32_t>>, kPrefix + 1> by_prefix_;
};

void add_example(Hits& hits, std::string_view line) {
  auto& all = hits.examples;
  if (all.size() == kMaxExamples && line >= all.back()) return;
  const auto place = std::lower_bound(all.begin(), all.end(), line);
  if (place != all.end() && *place == line) return;
  all.insert(place, std::string(line));
  if (all.size() > kMaxExamples) all.pop_back();
}

}  // namespace

Corpus::Corpus(std::string corpus_name, std::string_view text) : name(std::move(corpus_name)) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  Sha256Stream sum;
  for (const std::string_view line : lines) {
    sum.add(line);
    sum.add("\n");
  }
  sha256 = to_hex(sum.finish());
}

Result<Measurement> measure(const std::vector<Candidate>& candidates,
                            const std::vector<Corpus>& corpora) {
  Measurement result;
  result.hits.resize(candidates.size());
  result.lines_hit.resize(corpora.size());
  if (candidates.empty() || corpora.empty()) return result;
  const match::Tables tables = TRY(tables_of(candidates, [](std::size_t) { return true; }));
  const match::Matcher matcher(tables.bytes());
  const Finder finder(candidates);
  for (std::size_t corpus = 0; corpus < corpora.size(); ++corpus) {
    for (const std::string_view line : corpora[corpus].lines) {
      const match::Hit hit = matcher.match_text(line);
      if (!hit.banned()) continue;
      result.lines_hit[corpus].push_back(line);
      const std::vector<std::uint32_t> found = finder.find(line);
      if (!std::binary_search(found.begin(), found.end(), hit.rule))
        return fail("the matcher found a rule that is not in the line");
      for (const std::uint32_t i : found) {
        Hits& hits = result.hits[i];
        if (hits.by_corpus.empty()) hits.by_corpus.resize(corpora.size());
        ++hits.lines;
        ++hits.by_corpus[corpus];
        add_example(hits, line);
      }
    }
  }
  return result;
}

Result<std::size_t> count_hit(const std::vector<Candidate>& candidates,
                              const std::vector<bool>& chosen,
                              const std::vector<std::string_view>& lines) {
  const match::Tables tables = TRY(tables_of(candidates, [&](std::size_t i) { return chosen[i]; }));
  const match::Matcher matcher(tables.bytes());
  return static_cast<std::size_t>(
      std::count_if(lines.begin(), lines.end(),
                    [&](std::string_view line) { return matcher.match_text(line).banned(); }));
}

Result<std::vector<bool>> find_redundant(const std::vector<Candidate>& candidates,
                                         const std::vector<bool>& chosen) {
  std::vector<bool> redundant(candidates.size());
  // Candidates stand in the order of their groups.
  for (std::size_t begin = 0; begin < candidates.size();) {
    const std::uint32_t group = candidates[begin].group;
    std::size_t end = begin;
    while (end < candidates.size() && candidates[end].group == group) ++end;
    const auto of = [&](RuleKind kind) {
      return tables_of(candidates, [&, kind](std::size_t i) {
        return i >= begin && i < end && chosen[i] && candidates[i].kind == kind;
      });
    };
    const match::Tables word_tables = TRY(of(RuleKind::kWord));
    const match::Tables substring_tables = TRY(of(RuleKind::kSubstring));
    const match::Matcher words(word_tables.bytes());
    const match::Matcher substrings(substring_tables.bytes());
    for (std::size_t i = begin; i < end; ++i) {
      if (!chosen[i]) continue;
      const std::string& text = candidates[i].text;
      // A word byte before it: then only what begins later can be found in it, and so with the end.
      if (candidates[i].kind == RuleKind::kWord) {
        const match::Hit first = words.match_text(text);
        redundant[i] = substrings.match_text(text).banned() ||
                       (first.banned() && first.rule != i) || words.match_text("z" + text).banned();
      } else {
        const std::string_view whole = text;
        redundant[i] = words.match_text("z" + text + "z").banned() ||
                       substrings.match_text(whole.substr(1)).banned() ||
                       substrings.match_text(whole.substr(0, whole.size() - 1)).banned();
      }
    }
    begin = end;
  }
  return redundant;
}

}  // namespace cryptnono::generate
