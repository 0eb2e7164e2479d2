#include <fmt/format.h>

#include <filesystem>
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
#include "seal/seal.h"

namespace cryptnono::commands {

namespace {

namespace fs = std::filesystem;
using bundle::Bundle;

struct ImportOptions {
  Inputs inputs;  // --identity
  std::string file, directory;
  seal::Recipients recipients;
  bool plain = false;
};

Result<Bundle> read_bundle(const ImportOptions& options) {
  const seal::Identities identities = TRY(options.inputs.load_identities());
  Result<Bundle> bundle = bundle::from_json(TRY(read_opened(options.file, identities)));
  if (!bundle) return tl::unexpected(with_context(options.file, std::move(bundle.error())));
  return bundle;
}

// Nothing may be in it yet.
Result<void> make_directory(const std::string& path) {
  std::error_code error;
  fs::create_directory(path, error);
  if (error) return fail(path + ": cannot be made: " + error.message());
  if (!fs::is_empty(path, error) || error)
    return fail(path + ": is not empty; give another directory", ExitCode::kUsage);
  fs::permissions(path, fs::perms::owner_all, error);
  return {};
}

Result<void> write_files(const ImportOptions& options, const Bundle& bundle) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const bundle::File& file : bundle.files) {
    if (options.plain) {
      files.emplace_back(file.path, file.text);
      continue;
    }
    // Before anything is written: a recipient may be wrong.
    files.emplace_back(file.path + ".age",
                       TRY(seal::seal(seal::pad(file.text).view(), options.recipients)));
  }
  TRY(make_directory(options.directory));
  for (const auto& [name, text] : files) {
    const fs::path path = fs::path(options.directory) / name;
    std::error_code error;
    if (fs::create_directory(path.parent_path(), error))
      fs::permissions(path.parent_path(), fs::perms::owner_all, error);
    TRY(write_private(path, text, Existing::kRefuse));
  }
  return {};
}

int run_import(const ImportOptions& options) {
  if (options.plain != (options.recipients.keys.empty() && options.recipients.files.empty()))
    return say({"rules import: give recipients (-r, -R), or --plain", ExitCode::kUsage}, std::cerr);
  const Result<Bundle> bundle = read_bundle(options);
  if (!bundle) return say(bundle.error(), std::cerr);
  const Result<void> written = write_files(options, *bundle);
  if (!written) return say(written.error(), std::cerr);
  std::cout << fmt::format("{}: {} files, made by {}\n", options.directory, bundle->files.size(),
                           bundle->made_by);
  bool same = true;
  for (const bundle::Recipe& recipe : bundle->recipes) {
    const Regenerated result = regenerate(*bundle, recipe);
    std::cout << regenerated_words(recipe, result) << '\n';
    same &= result == Regenerated::kSame;
  }
  return static_cast<int>(same ? ExitCode::kOk : ExitCode::kExplainKilled);
}

}  // namespace

Subcommand add_import_command(CLI::App& rules) {
  CLI::App* command = rules.add_subcommand("import", "Open what `rules export` has sealed");
  const auto options = std::make_shared<ImportOptions>();
  options->inputs.add_identities_to(*command);
  command->add_option("BUNDLE", options->file, "What `rules export` has written")->required();
  command->add_option("-d,--directory", options->directory, "Where to: new, or empty")->required();
  add_repeated(*command, "-r,--recipient", options->recipients.keys,
               "Seal each file, for these, as age takes them");
  add_repeated(*command, "-R,--recipients-file", options->recipients.files, "File of such");
  command->add_flag("--plain", options->plain, "Write the files as they are");
  return {command, [options] { return run_import(*options); }};
}

}  // namespace cryptnono::commands
