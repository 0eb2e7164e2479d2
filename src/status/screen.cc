#include "status/screen.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"

namespace cryptnono::status {

namespace {

constexpr std::string_view kMore = "...";

std::string_view escape_of(Style style) {
  static constexpr std::array<std::string_view, 6> kEscapes{"",         "\x1b[1m",  "\x1b[2m",
                                                            "\x1b[32m", "\x1b[33m", "\x1b[1;31m"};
  return kEscapes.at(static_cast<std::size_t>(style));
}

// The length of the sequence that begins so; `text` is well-formed.
std::size_t sequence_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t length = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return std::min(length, text.size());
}

// U+1100, where the wide letters begin, is e1 84 80.
std::size_t width_of(std::string_view sequence) {
  return static_cast<unsigned char>(sequence[0]) > 0xe1 || sequence.substr(0, 2) >= "\xe1\x84" ? 2
                                                                                               : 1;
}

// The longest beginning of `text` that takes at most `columns`.
std::string_view cut(std::string_view text, std::size_t columns) {
  std::size_t end = 0;
  while (end < text.size()) {
    const std::string_view sequence = text.substr(end, sequence_length(text.substr(end)));
    const std::size_t width = width_of(sequence);
    if (width > columns) break;
    columns -= width;
    end += sequence.size();
  }
  return text.substr(0, end);
}

}  // namespace

std::size_t columns_of(std::string_view text) {
  std::size_t out = 0;
  while (!text.empty()) {
    const std::string_view sequence = text.substr(0, sequence_length(text));
    out += width_of(sequence);
    text.remove_prefix(sequence.size());
  }
  return out;
}

ScreenLine& ScreenLine::add(std::string_view text, Style style, std::size_t width) {
  std::string safe = for_terminal(text);
  const std::size_t columns = columns_of(safe);
  if (columns < width) safe.append(width - columns, ' ');
  spans_.push_back({.text = std::move(safe), .style = style});
  return *this;
}

std::string ScreenLine::text(bool colour, std::size_t columns) const {
  std::size_t all = 0;
  for (const Span& span : spans_) all += columns_of(span.text);
  const bool too_long = columns != 0 && all > columns;
  std::size_t left = all;
  if (too_long) left = columns - std::min(columns, kMore.size());
  std::string out;
  for (const Span& span : spans_) {
    const std::string_view shown = cut(span.text, left);
    left -= columns_of(shown);
    if (shown.empty()) continue;
    const bool styled = colour && span.style != Style::kPlain;
    if (styled) out += escape_of(span.style);
    out += shown;
    if (styled) out += "\x1b[0m";
    if (shown.size() < span.text.size()) break;
  }
  if (too_long) return out + std::string(kMore.substr(0, columns));
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string Screen::text(bool colour, std::size_t columns, std::size_t rows) const {
  const bool too_many = rows != 0 && lines_.size() > rows;
  const std::size_t shown = too_many ? rows - 1 : lines_.size();
  std::string out;
  for (std::size_t i = 0; i < shown; ++i) out += lines_[i].text(colour, columns) + "\n";
  if (too_many) out += std::string(kMore) + "\n";
  return out;
}

}  // namespace cryptnono::status
