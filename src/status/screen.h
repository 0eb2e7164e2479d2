// Screen: lines of styled text for a terminal, of which nothing can steer it but the styles.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace cryptnono::status {

enum class Style : std::uint8_t { kPlain, kBold, kDim, kGood, kWarning, kBad };

class ScreenLine {
 public:
  // Appends `text`, through for_terminal(), and spaces up to `width` columns.
  ScreenLine& add(std::string_view text, Style style = Style::kPlain, std::size_t width = 0);

 private:
  friend class Screen;
  struct Span {
    std::string text;
    Style style;
  };
  // At most `columns` of it, with a sign that there is more; 0: all.
  [[nodiscard]] std::string text(bool colour, std::size_t columns) const;
  std::vector<Span> spans_;
};

class Screen {
 public:
  // A new last line; the reference stays good.
  ScreenLine& line() { return lines_.emplace_back(); }
  // All lines, each with a newline; see TextOptions.
  [[nodiscard]] std::string text(bool colour, std::size_t columns, std::size_t rows) const;

 private:
  std::deque<ScreenLine> lines_;
};

// How many columns well-formed UTF-8 takes, at the most: East Asian letters and what lies beyond
// take two.
std::size_t columns_of(std::string_view text);

}  // namespace cryptnono::status
