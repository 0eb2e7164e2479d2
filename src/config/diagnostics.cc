#include "config/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/utf8.h"
#include "config/utf8.h"

namespace cryptnono::config {

namespace {

// Levenshtein distance, one row at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t substituted = diagonal + (ascii_lower(a[i]) == ascii_lower(b[j]) ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

// `what` with "..." for each text that show_value() has put there.
std::string without_quotes(std::string_view what) {
  std::string out;
  bool inside = false;
  for (std::size_t i = 0; i < what.size(); ++i) {
    if (inside && what[i] == '\\') {
      ++i;
      continue;
    }
    if (what[i] == '"') {
      out += inside ? "...\"" : "\"";
      inside = !inside;
    } else if (!inside) {
      out += what[i];
    }
  }
  return out;
}

}  // namespace

std::string to_string(const Diagnostic& diagnostic) {
  if (diagnostic.file.empty()) return diagnostic.what;
  if (diagnostic.position.line == 0) return fmt::format("{}: {}", diagnostic.file, diagnostic.what);
  return fmt::format("{}:{}:{}: {}", diagnostic.file, diagnostic.position.line,
                     diagnostic.position.column, diagnostic.what);
}

void Diagnostics::error(std::string_view file, Position position, std::string what) {
  add(errors_, file, position, std::move(what));
}

void Diagnostics::warning(std::string_view file, Position position, std::string what) {
  add(warnings_, file, position, std::move(what));
}

void Diagnostics::add(List& list, std::string_view file, Position position,
                      std::string what) const {
  if (is_secret(file)) what = without_quotes(what);
  if (list.count++ < kMaxDiagnostics) {
    list.kept.push_back({std::string(file), position, std::move(what)});
  }
}

std::vector<Diagnostic> Diagnostics::take(List& list, std::string_view noun) {
  if (list.count > list.kept.size()) {
    const std::size_t rest = list.count - list.kept.size();
    list.kept.push_back({"", {}, fmt::format("and {} more {}", rest, noun)});
  }
  return std::move(list.kept);
}

std::string show_value(std::string_view value) {
  constexpr std::size_t kMaxShown = 60;
  std::string out = "\"";
  std::size_t at = 0;
  while (at < value.size() && at < kMaxShown) {
    const utf8::Decoded next = utf8::decode(value.substr(at));
    const auto byte = static_cast<unsigned char>(value[at]);
    const bool control =
        next.code_point < 0x20 || (next.code_point >= 0x7f && next.code_point < 0xa0);
    if (!next.valid || (control && next.length == 1)) {
      out += fmt::format("\\x{:02x}", byte);
    } else if (control) {
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(next.code_point));
    } else {
      if (byte == '"' || byte == '\\') out += '\\';
      out += value.substr(at, next.length);
    }
    at += next.length;
  }
  out += at < value.size() ? "\"..." : "\"";
  return out;
}

std::string_view nearest(std::string_view name, const std::vector<std::string_view>& known) {
  if (name.size() > 64) return {};  // no key is; and the distance is quadratic
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace cryptnono::config
