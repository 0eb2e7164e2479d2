// Candidates against honest lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "generate/transform.h"

namespace cryptnono::generate {

// A list of honest command lines or words, one a line. Order and repetition do not count.
class Corpus {
 public:
  // `text` must outlive it and stay where it is.
  Corpus(std::string name, std::string_view text);

  std::string name;                     // what reports call it
  std::vector<std::string_view> lines;  // sorted, none twice, none empty
  std::string sha256;                   // of the lines, with a newline after each
};

inline constexpr std::size_t kMaxExamples = 3;

struct Hits {
  std::size_t lines = 0;               // in all corpora
  std::vector<std::size_t> by_corpus;  // empty: none
  std::vector<std::string> examples;   // the first kMaxExamples of all in the order of bytes
};

struct Measurement {
  std::vector<Hits> hits;                                // by candidate
  std::vector<std::vector<std::string_view>> lines_hit;  // by corpus, of any candidate
};

// Finds for every candidate all the lines that it stands in. The matcher of the daemon says which
// lines are hit at all; every candidate that stands in one of these is then looked up. Errors: the
// matcher's tables are too large, or the two disagree.
Result<Measurement> measure(const std::vector<Candidate>& candidates,
                            const std::vector<Corpus>& corpora);

// Of these lines, how many the candidates with `chosen` set still hit.
Result<std::size_t> count_hit(const std::vector<Candidate>& candidates,
                              const std::vector<bool>& chosen,
                              const std::vector<std::string_view>& lines);

// Which of the candidates with `chosen` set can be left out: in each of their texts another one of
// the same group is found, whatever stands around.
Result<std::vector<bool>> find_redundant(const std::vector<Candidate>& candidates,
                                         const std::vector<bool>& chosen);

}  // namespace cryptnono::generate
