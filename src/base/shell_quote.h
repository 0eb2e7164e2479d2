// Command lines as text: the kernel's NUL-separated form, and the shell-quoted form on which
// allowed patterns are matched. Pure functions on bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cryptnono {

// The arguments of an argument area as in /proc/PID/cmdline: a NUL after each; the last one may be
// missing. Empty arguments are kept. The views point into `area`.
std::vector<std::string_view> split_cmdline(std::string_view area);

// What Python's shlex.quote gives: `argument` itself if it is not empty and holds only
// [A-Za-z0-9_@%+=:,./-], else between single quotes, with ' written as '"'"'.
void append_shell_quoted(std::string& out, std::string_view argument);

// The arguments, quoted, with single spaces between (Python's shlex.join).
std::string shell_join(const std::vector<std::string_view>& arguments);

}  // namespace cryptnono
