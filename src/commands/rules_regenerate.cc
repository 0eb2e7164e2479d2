#include "commands/rules_regenerate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "generate/generate.h"

namespace cryptnono::commands {

Regenerated regenerate(const bundle::Bundle& bundle, const bundle::Recipe& recipe) {
  const auto named = [&](const std::string& path) {
    const bundle::File* file = bundle.find(path);
    return generate::NamedText{path, file != nullptr ? file->text : std::string()};
  };
  generate::Inputs inputs{.seeds = {}};
  for (const std::string& path : recipe.seeds) inputs.seeds.push_back(named(path));
  if (!recipe.settings.empty()) inputs.settings = named(recipe.settings);
  if (!recipe.decisions.empty()) inputs.decisions = named(recipe.decisions);
  const generate::Outcome outcome = generate::generate(inputs);
  if (!outcome.output || outcome.output->failed) return Regenerated::kWrong;
  return outcome.output->rules == named(recipe.rules).text ? Regenerated::kSame
                                                           : Regenerated::kOther;
}

std::string regenerated_words(const bundle::Recipe& recipe, Regenerated result) {
  std::string_view words;
  switch (result) {
    case Regenerated::kSame:
      words = "byte for byte the same";
      break;
    case Regenerated::kOther:
      words = "NOT the same; was it another version of this program, or a person?";
      break;
    case Regenerated::kWrong:
      words = "these seeds cannot be used; see `cryptnono rules generate`";
      break;
  }
  return fmt::format("{}: generated anew from {}: {}", recipe.rules, fmt::join(recipe.seeds, ", "),
                     words);
}

}  // namespace cryptnono::commands
