// From configuration files to a Config: reads, checks and merges them.
//
// Strict: an unknown key, a wrong type or a value out of range is an error, and a configuration
// with an error is not used at all. What each key means, and how files merge, is in
// docs/configuration.md.
//
// The functions keep no state and touch nothing but the files; any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "config/diagnostics.h"
#include "config/types.h"

namespace cryptnono::config {

struct Loaded {
  Config config;
  std::vector<Diagnostic>
      warnings;  // what is allowed but hardly meant; at most kMaxDiagnostics and their rest
};

// Either a configuration without any error, or all errors of all files in the order of files and
// lines (syntax first): at least one, at most kMaxDiagnostics and one entry that counts the rest.
using LoadResult = tl::expected<Loaded, std::vector<Diagnostic>>;

struct LoadOptions {
  // Called before the lists of addresses are read, with their patterns: who watches them from then
  // on misses no change.
  std::function<void(const std::vector<std::string>&)> before_lists = {};
  // Settings from a command line, as the text of one more file; empty: none.
  std::string overrides = {};
  // Files, or directories of files, with the age identities that open sealed files.
  std::vector<std::string> identities = {};
};

// Used when no file is given: the harmless test string and nothing else.
extern const std::string_view kDefaultConfig;

// The files in the order given; of a directory its files by name (config/directories.h), of which
// there may be none. A file that cannot be read is an error among the others. No path:
// kDefaultConfig, as the group "default" whose rules have no origin (line 0).
[[nodiscard]] LoadResult load_files(const std::vector<std::string>& paths,
                                    const LoadOptions& options = {});

// One file called `name` with this text.
[[nodiscard]] LoadResult load_text(std::string_view name, std::string_view text);

}  // namespace cryptnono::config
