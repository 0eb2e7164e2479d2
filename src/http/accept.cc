#include "http/accept.h"

#include <algorithm>
#include <optional>

#include "base/utf8.h"

namespace cryptnono::http {

namespace {

// Takes what stands before the next `separator` that is not in quotes off `rest`.
std::string_view take_until(std::string_view& rest, char separator) {
  bool quoted = false;
  std::size_t i = 0;
  for (; i < rest.size() && (quoted || rest[i] != separator); ++i) {
    if (rest[i] == '"') quoted = !quoted;
    if (quoted && rest[i] == '\\') ++i;
  }
  const std::string_view out = rest.substr(0, i);
  rest.remove_prefix(std::min(rest.size(), i + 1));
  return trimmed(out);
}

// "0", "0.5", "1.000": at most three decimals.
std::optional<double> parse_quality(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  double out = text[0] - '0';
  double unit = 0.1;
  for (const char c : text.substr(std::min<std::size_t>(text.size(), 2))) {
    if (c < '0' || c > '9') return std::nullopt;
    out += unit * (c - '0');
    unit /= 10;
  }
  if (out > 1) return std::nullopt;
  return out;
}

std::optional<MediaRange> parse_range(std::string_view text) {
  const std::string name = ascii_lower(take_until(text, ';'));
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == name.size()) return std::nullopt;
  MediaRange out{.type = name.substr(0, slash), .subtype = name.substr(slash + 1), .version = {}};
  if (out.type == "*" && out.subtype != "*") return std::nullopt;
  while (!text.empty()) {
    const std::string_view parameter = take_until(text, ';');
    const std::size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string key = ascii_lower(trimmed(parameter.substr(0, equals)));
    const std::string_view value = trimmed(parameter.substr(equals + 1));
    if (key == "q") {
      const std::optional<double> quality = parse_quality(value);
      if (!quality) return std::nullopt;
      out.quality = *quality;
      break;  // what follows belongs to the weight
    }
    if (key == "version") out.version = value;
  }
  return out;
}

// How well a range fits; 0: not at all.
int fit(const MediaRange& range, std::string_view type, std::string_view subtype,
        std::string_view version) {
  if (range.type == "*") return 1;
  if (range.type != type) return 0;
  if (range.subtype == "*") return 2;
  if (range.subtype != subtype || (!range.version.empty() && range.version != version)) return 0;
  return range.version.empty() ? 3 : 4;
}

}  // namespace

std::vector<MediaRange> parse_accept(std::string_view accept) {
  std::vector<MediaRange> out;
  while (!accept.empty()) {
    if (auto range = parse_range(take_until(accept, ','))) out.push_back(*std::move(range));
  }
  return out;
}

double quality_of(const std::vector<MediaRange>& ranges, std::string_view type,
                  std::string_view subtype, std::string_view version, bool exactly) {
  int best = exactly ? 2 : 0;
  double out = 0;
  for (const MediaRange& range : ranges) {
    const int fits = fit(range, type, subtype, version);
    if (fits <= best) continue;
    best = fits;
    out = range.quality;
  }
  return out;
}

}  // namespace cryptnono::http
