// What is made of which kind of seed, and what happens to a rule that honest lines have too.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"
#include "generate/seeds.h"

namespace cryptnono::generate {

// docs/rules.md says what each one makes, and why.
enum class Transformation : std::uint8_t {
  kPlain,
  kGlued,
  kSeparators,
  kJson,
  kPorts,
  kBase64,
  kHex,
  kReversed
};
inline constexpr std::array<std::string_view, 8> kTransformationNames{
    "plain", "glued", "separators", "json", "ports", "base64", "hex", "reversed"};

enum class OnHit : std::uint8_t {
  kDrop,  // the rule is left out
  kFlag,  // it goes into a group of its own, GROUP.flagged, which only reports
  kFail   // nothing is written
};
inline constexpr std::array<std::string_view, 3> kOnHitNames{"drop", "flag", "fail"};

struct Settings {
  // By SeedKind, in the order of Transformation, none twice.
  std::array<std::vector<Transformation>, kSeedKinds> transformations;
  std::vector<std::string> ports;  // for kPorts
  OnHit on_hit = OnHit::kDrop;

  // What holds if nothing else is said.
  [[nodiscard]] static Settings defaults();
};

// Reads a settings file over `settings`; reports under the file's name.
void read_settings(const NamedText& file, Settings& settings, config::Diagnostics& diagnostics);

}  // namespace cryptnono::generate
