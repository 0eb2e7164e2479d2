// Seeds: what a list of rules is made from, as it is written in seed files. docs/rules.md describes
// the files.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"

namespace cryptnono::generate {

enum class SeedKind : std::uint8_t {
  kMinerName,
  kPool,
  kCoin,
  kAlgorithm,
  kWallet,
  kOption,
  kUrlScheme,
  kString
};
inline constexpr std::size_t kSeedKinds = 8;
// As the keys of a seed file, in the order of SeedKind.
inline constexpr std::array<std::string_view, kSeedKinds> kSeedKeys{
    "minerNames", "pools", "coins", "algorithms", "wallets", "options", "urlSchemes", "strings"};

struct Seed {
  SeedKind kind = SeedKind::kString;
  std::string text;
  std::uint32_t file = 0;  // index into the files that were read
  config::Position position;
};

struct SeedGroup {
  std::string id;
  std::string purpose;
  std::string action;  // report, kill, kill-tree, kill-container; empty: not given
  std::optional<std::string> until;
  std::optional<std::uint32_t> clean_days;
  std::vector<std::string> allowed_patterns;
  std::vector<Seed> seeds;  // in the order of the file
};

struct SeedSet {
  std::string id_key;  // of the first file that has one
  std::vector<SeedGroup> groups;
};

// One file, in memory.
struct NamedText {
  std::string name;  // what errors and provenance call it
  std::string text;
};

// Reads one file into `set`. Everything that is wrong is reported under the file's name, with line
// and column; a seed is never quoted.
void read_seeds(const NamedText& file, std::uint32_t index, SeedSet& set,
                config::Diagnostics& diagnostics);

}  // namespace cryptnono::generate
