#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bundle/bundle.h"

namespace cryptnono::bundle {

namespace {

std::string table_of(const Bundle& bundle) {
  std::string out = "| file | is |\n|---|---|\n";
  for (const File& file : bundle.files) {
    std::string_view what;
    switch (file.role) {
      case Role::kRules:
        what = "a rule file, for `cryptnono run -c`; with its allow rules";
        break;
      case Role::kAddresses:
        what = "a list of addresses that a rule file names (`banFiles`, `allowFiles`)";
        break;
      case Role::kSeeds:
        what = "what rules are generated of, and the generator's settings";
        break;
      case Role::kProvenance:
        what = "which rule came from which seed";
        break;
      case Role::kTests:
        what = "command lines that must die and that must live, for `cryptnono rules test`";
        break;
      case Role::kDocument:
        what = "a document";
        break;
    }
    out += fmt::format("| `{}` | {} |\n", file.path, what);
  }
  return out;
}

std::string regenerate(const Bundle& bundle) {
  if (bundle.recipes.empty())
    return "No rule file in here was generated: they are as people wrote them.\n";
  std::string out;
  for (const Recipe& recipe : bundle.recipes) {
    out += fmt::format("    cryptnono rules generate -s {}", fmt::join(recipe.seeds, " -s "));
    if (!recipe.settings.empty()) out += " --settings " + recipe.settings;
    if (!recipe.decisions.empty()) out += " --decisions " + recipe.decisions;
    out += fmt::format(" -o new.yaml && cmp new.yaml {}\n", recipe.rules);
  }
  return "Byte for byte, by the same version of the program:\n\n" + out;
}

}  // namespace

std::string how_to(const Bundle& bundle) {
  return fmt::format(
      R"(# Rules, taken along

Everything that a community needs to go on with its rules. Nothing here depends on whom it came from. Made by {}.

**All of it is secret**: a list that is known is easy to evade.

{}
## Use

    cryptnono check -c rules/FILE
    cryptnono run -c rules/FILE

## Seal, for a repository

    age-keygen -o identity                                # once; keep it out of the repository
    cryptnono rules seal -r age1... -o FILE.age rules/FILE
    cryptnono run -c FILE.age --identity identity

## Generate anew

{}
Change the seeds, generate, test (`cryptnono rules test`), seal.

## Without this program

A bundle is JSON in an age file:

    age -d -i identity BUNDLE | jq -r '.files[] | select(.path == "rules/FILE") | .text'
)",
      bundle.made_by, table_of(bundle), regenerate(bundle));
}

}  // namespace cryptnono::bundle
