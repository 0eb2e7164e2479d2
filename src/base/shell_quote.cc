#include "base/shell_quote.h"

#include <algorithm>

namespace cryptnono {

namespace {

bool is_safe(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
}

}  // namespace

std::vector<std::string_view> split_cmdline(std::string_view area) {
  std::vector<std::string_view> out;
  while (!area.empty()) {
    const std::size_t end = area.find('\0');
    out.push_back(area.substr(0, end));
    if (end == std::string_view::npos) break;
    area.remove_prefix(end + 1);
  }
  return out;
}

void append_shell_quoted(std::string& out, std::string_view argument) {
  if (!argument.empty() && std::all_of(argument.begin(), argument.end(), is_safe)) {
    out += argument;
    return;
  }
  out += '\'';
  for (const char c : argument) {
    if (c == '\'') {
      out += R"('"'"')";
    } else {
      out += c;
    }
  }
  out += '\'';
}

std::string shell_join(const std::vector<std::string_view>& arguments) {
  std::string out;
  for (const std::string_view argument : arguments) {
    if (!out.empty()) out += ' ';
    append_shell_quoted(out, argument);
  }
  return out;
}

}  // namespace cryptnono
