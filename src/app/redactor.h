// Redactor: texts that an attacker wrote, without what the rules ban. Logs are read by more people
// than rules are, and a killed command line says what it was killed for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "detect/exec/exec_rules.h"
#include "detect/subject.h"

namespace cryptnono::app {

// For the texts of one event, in any order, best the longest first: a rule that was found in one is
// masked in those after it even where it is glued to something and would be no hit. One thread.
class Redactor {
 public:
  // Shows everything.
  Redactor() = default;
  // `rules`: those in force; `others`: those that judged the event, if they are not the same.
  // Either may be null.
  explicit Redactor(std::shared_ptr<const detect::ExecRules> rules,
                    std::shared_ptr<const detect::ExecRules> others = nullptr);

  [[nodiscard]] bool reveals() const { return reveals_; }

  // `text` with every occurrence of a banned string replaced by the rule's id in brackets, until
  // the matcher finds nothing: in whatever case, and with NUL for a space. One in which more than
  // kMaxFound rules are found is replaced by kWhole. `cut`: something behind it is missing; so that
  // no half of a banned string is left at its end, as many bytes of it are left out as the longest
  // one has.
  [[nodiscard]] std::string text(std::string_view text, bool cut = false);
  // A name that the kernel cuts after 15 bytes (comm): also masked if it ends in the beginning of a
  // rule that was found.
  [[nodiscard]] std::string name(std::string_view comm);
  // The arguments of `who`, NUL after each. Of a longer command line than `limit` only so much is
  // looked at as it takes to fill them.
  [[nodiscard]] std::string arguments(const detect::Subject& who, std::size_t limit);
  // The shell-quoted command line, as detect::quoted_line makes it. `lower`: ASCII letters in lower
  // case, but for those of ids.
  [[nodiscard]] std::string command_line(const detect::Subject& who, std::string_view filename,
                                         std::size_t limit, bool lower = false);

  static constexpr std::size_t kMaxFound = 64;
  static constexpr std::string_view kWhole = "[redacted]";

 private:
  struct Piece {
    std::string text;
    bool mask = false;   // it is one
    bool clean = false;  // the matcher has found nothing in it
  };
  struct Found {
    std::string folded;
    std::string mask;
  };
  using Pieces = std::vector<Piece>;

  [[nodiscard]] std::string redact(Pieces pieces, bool cut);
  [[nodiscard]] std::string area(std::string_view argv, std::uint64_t argv_bytes,
                                 std::size_t limit);
  // The text, with the masks in it as what they are.
  [[nodiscard]] Pieces with_masks(std::string_view text) const;
  // False: it will not come clean.
  bool clean(const detect::ExecRules& rules, Pieces& pieces);
  bool learn(const detect::ExecRules& rules, std::uint32_t rule);
  static void mask(const Found& found, Pieces& pieces);
  [[nodiscard]] std::size_t longest_rule() const;

  bool reveals_ = true;
  std::vector<std::shared_ptr<const detect::ExecRules>> rules_;
  std::vector<Found> found_;
};

}  // namespace cryptnono::app
