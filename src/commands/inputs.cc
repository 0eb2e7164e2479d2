#include "commands/inputs.h"

#include <cstdlib>

#include "seal/identities.h"

namespace cryptnono::commands {

void Inputs::add_files_to(CLI::App& command) {
  command.add_option("-c,--config", files, "Configuration file; may be given several times")
      ->take_all()
      ->allow_extra_args(false);
  add_identities_to(command);
}

void Inputs::add_identities_to(CLI::App& command) {
  command
      .add_option("--identity", identities,
                  "File or directory of age identities, which open sealed files; may be given "
                  "several times")
      ->take_all()
      ->allow_extra_args(false);
}

void Inputs::add_reveal_to(CLI::App& command) {
  command.add_flag("--reveal", reveal, "Show what is banned, and not only the rules' ids");
}

std::vector<std::string> Inputs::identity_paths() const {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets any by then
  const char* const named = std::getenv(seal::kIdentityFileVariable);
  if (!identities.empty() || named == nullptr || *named == '\0') return identities;
  return {named};
}

config::LoadOptions Inputs::load_options() const {
  return {.before_lists = {}, .overrides = {}, .identities = identity_paths()};
}

std::optional<config::Config> Inputs::load_or_say(std::ostream& err) const {
  config::LoadResult loaded = config::load_files(files, load_options());
  if (loaded) return std::move(loaded->config);
  for (const config::Diagnostic& diagnostic : loaded.error()) err << to_string(diagnostic) << '\n';
  return std::nullopt;
}

}  // namespace cryptnono::commands
