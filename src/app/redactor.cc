#include "app/redactor.h"

#include <algorithm>

#include "base/utf8.h"
#include "match/matcher.h"

namespace cryptnono::app {

namespace {

constexpr std::size_t kCommLength = 15;  // TASK_COMM_LEN without the NUL
// Shorter beginnings of a rule say nothing, and stand at the end of many names.
constexpr std::size_t kMinBeginning = 4;

// As the matcher sees it (bpf/lib/match.h).
std::string folded(std::string_view text) {
  std::string out = ascii_lower(text);
  std::replace(out.begin(), out.end(), '\0', ' ');
  return out;
}

}  // namespace

Redactor::Redactor(std::shared_ptr<const detect::ExecRules> rules,
                   std::shared_ptr<const detect::ExecRules> others)
    : reveals_(false) {
  if (rules && others != rules) rules_.push_back(std::move(rules));
  if (others) rules_.push_back(std::move(others));
}

bool Redactor::learn(const detect::ExecRules& rules, std::uint32_t rule) {
  const std::string_view text = rules.rule_text(rule);
  if (text.empty() || found_.size() == kMaxFound) return false;
  Found found{.folded = folded(text), .mask = "[" + rules.rule_id(rule) + "]"};
  // The matcher compares hashes: what is not there after all would be found for ever.
  const auto known = std::find_if(found_.begin(), found_.end(),
                                  [&](const Found& each) { return each.folded == found.folded; });
  if (known != found_.end()) return false;
  found_.push_back(std::move(found));
  return true;
}

void Redactor::mask(const Found& found, Pieces& pieces) {
  Pieces out;
  out.reserve(pieces.size() + 2);
  for (Piece& piece : pieces) {
    const std::string haystack = piece.mask ? std::string() : folded(piece.text);
    std::size_t at = haystack.find(found.folded);
    if (at == std::string::npos) {
      out.push_back(std::move(piece));
      continue;
    }
    std::size_t begin = 0;
    for (; at != std::string::npos; at = haystack.find(found.folded, begin)) {
      if (at > begin) out.push_back({.text = piece.text.substr(begin, at - begin)});
      out.push_back({.text = found.mask, .mask = true, .clean = true});
      begin = at + found.folded.size();
    }
    if (begin < piece.text.size()) out.push_back({.text = piece.text.substr(begin)});
  }
  pieces = std::move(out);
}

bool Redactor::clean(const detect::ExecRules& rules, Pieces& pieces) {
  const match::Matcher matcher(rules.tables());
  for (std::size_t i = 0; i < pieces.size();) {
    if (pieces[i].clean) {
      ++i;
      continue;
    }
    const match::Hit hit = matcher.match_text(pieces[i].text);
    if ((hit.groups & ~rules.canary_groups()) == 0) {
      pieces[i].clean = true;
      continue;
    }
    if (!learn(rules, hit.rule)) return false;
    mask(found_.back(), pieces);
    i = 0;  // what stood before it may have been glued to it, and be a word now
  }
  return true;
}

std::size_t Redactor::longest_rule() const {
  std::size_t longest = 0;
  for (const auto& rules : rules_) {
    if (!rules->tables().empty())
      longest = std::max<std::size_t>(longest, match::Matcher(rules->tables()).header().max_length);
  }
  return longest;
}

std::string Redactor::redact(Pieces pieces, bool cut) {
  for (const Found& found : found_) mask(found, pieces);
  std::size_t known = 0;
  do {  // what is masked for the one may make a word of the other
    known = found_.size();
    for (const auto& rules : rules_) {
      for (Piece& piece : pieces) piece.clean = piece.mask;
      if (!rules->tables().empty() && !clean(*rules, pieces)) return std::string(kWhole);
    }
  } while (rules_.size() > 1 && found_.size() != known);
  if (cut && !pieces.empty() && !pieces.back().mask) {
    std::string& last = pieces.back().text;
    last.resize(last.size() - std::min(last.size(), longest_rule()));
  }
  std::string out;
  for (const Piece& piece : pieces) out += piece.text;
  return out;
}

std::string Redactor::text(std::string_view text, bool cut) {
  if (reveals_) return std::string(text);
  Pieces pieces;
  if (!text.empty()) pieces.push_back({.text = std::string(text)});
  return redact(std::move(pieces), cut);
}

std::string Redactor::name(std::string_view comm) {
  std::string out = text(comm);
  if (reveals_ || comm.size() < kCommLength) return out;
  const std::string end = folded(out);
  for (const Found& found : found_) {
    for (std::size_t size = std::min(end.size(), found.folded.size()); size >= kMinBeginning;
         --size) {
      if (!end.ends_with(std::string_view(found.folded).substr(0, size))) continue;
      return out.substr(0, out.size() - size) + found.mask;
    }
  }
  return out;
}

std::string Redactor::area(std::string_view argv, std::uint64_t argv_bytes, std::size_t limit) {
  const std::string_view looked_at = argv.substr(0, limit + longest_rule());
  return text(looked_at, looked_at.size() < argv_bytes);
}

std::string Redactor::arguments(const detect::Subject& who, std::size_t limit) {
  if (reveals_) return who.argv;
  return area(who.argv, std::max<std::uint64_t>(who.argv_bytes, who.argv.size()), limit);
}

Redactor::Pieces Redactor::with_masks(std::string_view text) const {
  Pieces pieces{{.text = std::string(text)}};
  for (const Found& found : found_) {
    Pieces out;
    for (Piece& piece : pieces) {
      std::string_view rest = piece.text;
      for (std::size_t at = 0;
           !piece.mask && (at = rest.find(found.mask)) != std::string_view::npos;) {
        if (at > 0) out.push_back({.text = std::string(rest.substr(0, at))});
        out.push_back({.text = found.mask, .mask = true, .clean = true});
        rest.remove_prefix(at + found.mask.size());
      }
      if (!rest.empty())
        out.push_back({.text = std::string(rest), .mask = piece.mask, .clean = piece.clean});
    }
    pieces = std::move(out);
  }
  return pieces;
}

// A banned string may span arguments, the file name being the first, and quoting would tear it
// apart: it is looked for in the arguments as the matcher reads them. What quoting puts together is
// a text of its own, and is looked at as well.
std::string Redactor::command_line(const detect::Subject& who, std::string_view filename,
                                   std::size_t limit, bool lower) {
  if (reveals_) {
    std::string quoted = detect::quoted_line(filename, who.argv);
    return lower ? ascii_lower(quoted) : quoted;
  }
  const std::string_view argv = std::string_view(who.argv).substr(0, limit + longest_rule() + 1);
  const std::size_t first_end = std::min(argv.find('\0'), argv.size());
  std::string line(filename.empty() ? argv.substr(0, first_end) : filename);
  line += argv.substr(first_end);
  if (lower) line = ascii_lower(line);
  const std::uint64_t missing =
      std::max<std::uint64_t>(who.argv_bytes, who.argv.size()) - argv.size();
  return redact(with_masks(detect::quoted_line({}, area(line, line.size() + missing, limit))),
                false);
}

}  // namespace cryptnono::app
