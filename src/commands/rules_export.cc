#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "bundle/bundle.h"
#include "commands/inputs.h"
#include "commands/rules_bundle.h"
#include "commands/rules_files.h"
#include "commands/rules_regenerate.h"
#include "config/directories.h"
#include "seal/seal.h"

#ifndef CRYPTNONO_VERSION
#define CRYPTNONO_VERSION "unknown"
#endif

namespace cryptnono::commands {

namespace {

using bundle::Bundle;
using bundle::Role;

struct ExportOptions {
  Inputs inputs;
  std::vector<std::string> seeds, tests, documents;
  std::string settings, provenance;
  seal::Recipients recipients;
  std::string out;
  bool force = false;
};

// What a sealed file is called once it is open.
std::string_view without_seal(std::string_view file) {
  constexpr std::string_view kSealed = ".age";
  return file.ends_with(kSealed) ? file.substr(0, file.size() - kSealed.size()) : file;
}

// Returns the path in the bundle.
Result<std::string> add(Bundle& bundle, Role role, const std::string& file,
                        const seal::Identities& identities) {
  std::string text = TRY(read_opened(file, identities));
  std::string path = TRY(bundle::path_of(role, without_seal(file)));
  bundle.files.push_back({.path = path, .role = role, .text = std::move(text)});
  return path;
}

Result<Bundle> collect(const ExportOptions& options, const config::Config& config) {
  const seal::Identities identities = TRY(options.inputs.load_identities());
  Bundle out{.made_by = "cryptnono " CRYPTNONO_VERSION, .files = {}, .recipes = {}};
  const auto add_all = [&](Role role, const std::vector<std::string>& files,
                           std::vector<std::string>& paths) -> Result<void> {
    for (const std::string& file : files) paths.push_back(TRY(add(out, role, file, identities)));
    return {};
  };
  std::vector<std::string> rules, seeds, rest;
  const std::vector<std::string> given = config::expand_directories(options.inputs.files);
  TRY(add_all(Role::kRules, given, rules));
  // Behind the files that were given stand the lists of addresses that they name.
  const auto lists = static_cast<std::ptrdiff_t>(given.size());
  TRY(add_all(Role::kAddresses, {config.files.begin() + lists, config.files.end()}, rest));
  TRY(add_all(Role::kSeeds, options.seeds, seeds));
  TRY(add_all(Role::kTests, options.tests, rest));
  TRY(add_all(Role::kDocument, options.documents, rest));
  bundle::Recipe recipe{.rules = {}, .seeds = std::move(seeds), .settings = {}, .decisions = {}};
  if (!options.settings.empty())
    recipe.settings = TRY(add(out, Role::kSeeds, options.settings, identities));
  if (!options.provenance.empty())
    recipe.decisions = TRY(add(out, Role::kProvenance, options.provenance, identities));
  for (std::string& path : rules) {
    if (recipe.seeds.empty()) break;
    recipe.rules = std::move(path);
    const Regenerated result = regenerate(out, recipe);
    if (result == Regenerated::kSame) {
      out.recipes.push_back(recipe);
      std::cout << regenerated_words(recipe, result) << '\n';
    } else {
      std::cout << recipe.rules << ": not what these seeds make; it goes along as it is\n";
    }
  }
  out.files.push_back(
      {.path = "documents/HOW-TO.md", .role = Role::kDocument, .text = bundle::how_to(out)});
  std::sort(out.files.begin(), out.files.end(),
            [](const bundle::File& a, const bundle::File& b) { return a.path < b.path; });
  return out;
}

Result<void> write_bundle(const ExportOptions& options, const Bundle& bundle) {
  const std::string text = TRY(bundle::to_json(bundle));
  const std::string sealed = TRY(seal::seal(seal::pad(text).view(), options.recipients));
  return write_private(options.out, sealed, options.force ? Existing::kReplace : Existing::kRefuse);
}

int run_export(const ExportOptions& options) {
  // What is taken along must be good for something.
  const std::optional<config::Config> config = options.inputs.load_or_say(std::cerr);
  if (!config) return static_cast<int>(ExitCode::kConfig);
  const Result<Bundle> bundle = collect(options, *config);
  if (!bundle) return say(bundle.error(), std::cerr);
  const Result<void> written = write_bundle(options, *bundle);
  if (!written) return say(written.error(), std::cerr);
  std::cout << fmt::format("{}: {} files, sealed\n", options.out, bundle->files.size());
  return static_cast<int>(ExitCode::kOk);
}

}  // namespace

Subcommand add_export_command(CLI::App& rules) {
  CLI::App* command =
      rules.add_subcommand("export", "Seal rules, and what they are made of, for who leaves");
  const auto options = std::make_shared<ExportOptions>();
  options->inputs.add_files_to(*command);
  command->get_option("--config")->required();
  add_repeated(*command, "--seeds", options->seeds, "Seed file");
  command->add_option("--settings", options->settings, "The generator's settings");
  command->add_option("--provenance", options->provenance,
                      "The generator's provenance: what it had left out, it leaves out again");
  add_repeated(*command, "--tests", options->tests, "File of `rules test`");
  add_repeated(*command, "--document", options->documents, "Any other text");
  add_repeated(*command, "-r,--recipient", options->recipients.keys,
               "Who may open it, as age takes it");
  add_repeated(*command, "-R,--recipients-file", options->recipients.files, "File of such");
  command->add_option("-o,--output", options->out, "The bundle")->required();
  command->add_flag("--force", options->force, "Overwrite what is there");
  return {command, [options] { return run_export(*options); }};
}

}  // namespace cryptnono::commands
