// `cryptnono describe`, which is not for users: the command line's own tables as JSON. What is
// generated from it (man pages, completion) cannot know less or more than the parser does.
#pragma once

#include <CLI/CLI.hpp>
#include <ostream>

namespace cryptnono::commands {

// One object a command: name, description, options, subcommands. An option has its names, the name
// of its value ("" for a flag), the choices that there are, its group, and whether it may be
// repeated, is positional or required.
int run_describe(const CLI::App& cli, std::ostream& out);

}  // namespace cryptnono::commands
