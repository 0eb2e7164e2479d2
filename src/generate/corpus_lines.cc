#include "generate/corpus_lines.h"

#include <re2/re2.h>

#include <array>
#include <memory>

#include "config/utf8.h"

namespace cryptnono::generate {

namespace {

struct Hide {
  const char* pattern;
  const char* replacement;
  bool secret;  // else somebody's name
};

// What stands behind a word that says so, between user and host of a URL, in a header of HTTP, or
// has the shape of a well-known token.
constexpr std::array kHidden{
    Hide{
        R"re((?i)(--?[a-z-]*(?:password|passwd|passphrase|secret|token|api-?key|access-?key)[a-z-]*(?:=| +))(?:[^\s"'&;]+))re",
        R"(\1HIDDEN)", true},
    Hide{
        R"re((?i)((?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key)[a-z0-9_]*["']?(?:=|: ?)["']?)(?:[^\s"'&;]+))re",
        R"(\1HIDDEN)", true},
    Hide{R"re(([a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@]*):[^\s/@]+@)re", R"(\1:HIDDEN@)", true},
    Hide{R"re((?i)((?:bearer|basic) +)[a-z0-9+/=._~-]{8,})re", R"(\1HIDDEN)", true},
    Hide{R"re((?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|AKIA|sk-)[A-Za-z0-9_-]{12,})re",
         "HIDDEN", true},
    Hide{R"re(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)re", "HIDDEN", true},
    Hide{R"re((\b(?:mysql|mysqldump|mysqladmin|mariadb|sshpass)\s(?:.*\s)?-p)[^\s]+)re",
         R"(\1HIDDEN)", true},
    Hide{R"re(/(home|Users)/[^/\s:"']+)re", R"(/\1/USER)", false},
};

}  // namespace

std::string hide_secrets(std::string line, std::size_t& count) {
  static const auto* const patterns = [] {
    auto* all = new std::array<std::unique_ptr<RE2>, kHidden.size()>;
    for (std::size_t i = 0; i < kHidden.size(); ++i)
      all->at(i) = std::make_unique<RE2>(kHidden.at(i).pattern);
    return all;
  }();
  for (std::size_t i = 0; i < kHidden.size(); ++i) {
    const int replaced = RE2::GlobalReplace(&line, *patterns->at(i), kHidden.at(i).replacement);
    if (kHidden.at(i).secret) count += static_cast<std::size_t>(replaced);
  }
  return line;
}

void CorpusLines::add(std::string_view line) {
  if (line.size() > kMaxLineBytes || config::utf8::find_invalid(line) != std::string_view::npos) {
    ++left_out_;
    return;
  }
  std::string clean(line);
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  const std::size_t first = clean.find_first_not_of(' ');
  if (first == std::string::npos) return;
  clean = clean.substr(first, clean.find_last_not_of(' ') - first + 1);
  lines_.insert(hide_secrets(std::move(clean), hidden_));
}

std::string CorpusLines::text() const {
  std::string out;
  for (const std::string& line : lines_) {
    out += line;
    out += '\n';
  }
  return out;
}

}  // namespace cryptnono::generate
