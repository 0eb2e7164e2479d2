#include "replay/record.h"

namespace cryptnono::replay {

std::optional<std::string> shell_split(std::string_view text) {
  std::string out;
  bool in_word = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      if (in_word) out += '\0';
      in_word = false;
      continue;
    }
    in_word = true;
    if (c == '\'') {
      const std::size_t end = text.find('\'', i + 1);
      if (end == std::string_view::npos) return std::nullopt;
      out.append(text, i + 1, end - i - 1);
      i = end;
    } else if (c == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\'))
          ++i;
        out += text[i];
      }
      if (i >= text.size()) return std::nullopt;
    } else if (c == '\\') {
      if (++i >= text.size()) return std::nullopt;
      out += text[i];
    } else {
      out += c;
    }
  }
  if (in_word) out += '\0';
  return out;
}

std::string split_blanks(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c == ' ') c = '\0';
  }
  return out;
}

}  // namespace cryptnono::replay
