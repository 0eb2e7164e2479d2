// Bundle: all that a community needs to go on elsewhere - rules, seeds, how the rules were made of
// them, what shows that they work - as one JSON text, which jq or Python can take apart without
// this program. Sealed, it is what `rules export` writes.
//
// Pure: no files, no clock, no chance. The same bundle is the same text, byte for byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace cryptnono::bundle {

enum class Role : std::uint8_t { kRules, kAddresses, kSeeds, kProvenance, kTests, kDocument };

struct File {
  std::string path;  // "rules/pools.yaml": the role's folder and a name; see path_of()
  Role role = Role::kRules;
  std::string text;  // UTF-8

  bool operator==(const File&) const = default;
};

// How a rule file is generated anew.
struct Recipe {
  std::string rules;               // path of what comes out
  std::vector<std::string> seeds;  // paths, in the order in which they are given
  std::string settings;            // path, or none
  // Path of the provenance whose verdicts hold, or none: with it rules come out the same without
  // the corpora, which are large and tell about other people's machines.
  std::string decisions;

  bool operator==(const Recipe&) const = default;
};

struct Bundle {
  std::string made_by;  // "cryptnono 0.1.0"
  std::vector<File> files;
  std::vector<Recipe> recipes;

  // nullptr: there is none.
  [[nodiscard]] const File* find(std::string_view path) const;

  bool operator==(const Bundle&) const = default;
};

inline constexpr std::size_t kMaxFiles = 4096;

// "rules/pools.yaml" for /etc/cryptnono/pools.yaml. Error: the file's name has characters other
// than letters, digits and ._-, begins with a dot, or has more than 128.
Result<std::string> path_of(Role role, std::string_view file);

// Errors: a text that is not UTF-8, two files of one path.
Result<std::string> to_json(const Bundle& bundle);

// What to_json() wrote, by any version of this format. Strict: every file must have the SHA-256
// that stands beside it, every path must be one that path_of() gives, so that whoever writes the
// files writes nowhere else. Errors name the file or the key, and quote no content.
Result<Bundle> from_json(std::string_view text);

// What the reader of a bundle should know, as Markdown; goes along in every one.
std::string how_to(const Bundle& bundle);

}  // namespace cryptnono::bundle
