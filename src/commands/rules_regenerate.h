// Generates the rules of a bundle anew from what is in it.
#pragma once

#include <string>

#include "bundle/bundle.h"

namespace cryptnono::commands {

enum class Regenerated : std::uint8_t {
  kSame,   // byte for byte
  kOther,  // the seeds make something else
  kWrong   // the seeds are wrong
};

// Of a recipe whose files are in the bundle.
Regenerated regenerate(const bundle::Bundle& bundle, const bundle::Recipe& recipe);

// "rules/pools.yaml: generated anew from seeds/pools.yaml: byte for byte the same".
std::string regenerated_words(const bundle::Recipe& recipe, Regenerated result);

}  // namespace cryptnono::commands
