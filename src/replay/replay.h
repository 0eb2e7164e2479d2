// Replayer: logs through one or two rule sets.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "detect/exec/exec_rules.h"
#include "replay/prefilter.h"
#include "replay/record.h"

namespace cryptnono::replay {

// What a rule set says of one command line.
struct Verdict {
  enum class What : std::uint8_t { kLives, kSpared, kReported, kDies };
  What what = What::kLives;
  std::uint32_t rule = MATCH_NO_RULE;  // unless kLives
};

struct RuleSet {
  std::shared_ptr<const detect::ExecRules> rules;
  bool dry_run = false;
  [[nodiscard]] Verdict judge(const Record& record) const;
};

struct Counts {
  std::uint64_t bytes = 0, lines = 0;
  std::uint64_t parsed = 0;  // lines; the others cannot hit anything
  std::uint64_t execs = 0;   // command lines among the parsed ones
  std::uint64_t failed = 0, masked = 0, broken = 0, cut = 0;
  double reading_s = 0, filtering_s = 0, judging_s = 0;
};

struct Options {
  bool exact = false;                        // parse every line, without the prefilter
  bool portable = false;                     // for tests: the prefilter without AVX2
  std::size_t block = std::size_t{1} << 18;  // bytes read at once; stays in the second-level cache
  std::size_t max_line = std::size_t{64} << 20;  // longer lines are broken
};

class Replayer {
 public:
  // Called in the order of the log for each command line that hits in one of the sets. `before` is
  // the second set's verdict, or kLives without one.
  using Sink = std::function<void(const Record&, const Verdict& now, const Verdict& before)>;
  // Called for each line that is broken or masked.
  using Complain = std::function<void(Kind kind, std::size_t line, const std::string& why)>;

  // `sets`: one, or two with the old rules second. The prefilter must know the rules of all.
  Replayer(std::vector<RuleSet> sets, const Prefilter& filter, Options options)
      : sets_(std::move(sets)), filter_(filter), options_(options) {}

  // Reads `fd` to its end, as `format` or as what it begins like. Errors: kUsage if that is not
  // clear, kFailure if it cannot be read.
  Result<Format> run(int fd, std::optional<Format> format, const Sink& sink,
                     const Complain& complain);

  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  void scan(std::string_view lines, Parser& parser);
  void take(Kind kind, std::size_t line, const Record& record, const std::string& why);

  std::vector<RuleSet> sets_;
  const Prefilter& filter_;
  Options options_;
  Counts counts_;
  std::size_t first_line_ = 0;  // of the file, before the block
  bool started_ = false;
  const Sink* sink_ = nullptr;
  const Complain* complain_ = nullptr;
};

}  // namespace cryptnono::replay
