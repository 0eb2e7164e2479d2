#include "commands/inputs.h"

#include <cstdlib>

namespace cryptnono::commands {

CLI::Option* add_repeated(CLI::App& command, const std::string& name, std::vector<std::string>& out,
                          const std::string& what) {
  return command.add_option(name, out, what + "; may be given several times")
      ->take_all()
      ->allow_extra_args(false);
}

int say(const Error& error, std::ostream& err) {
  err << error.message << '\n';
  return static_cast<int>(error.code);
}

void Inputs::add_files_to(CLI::App& command) {
  add_repeated(command, "-c,--config", files, "Configuration file, or directory of such");
  add_identities_to(command);
}

void Inputs::add_identities_to(CLI::App& command) {
  add_repeated(command, "--identity", identities,
               "File or directory of age identities, which open sealed files");
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

Result<seal::Identities> Inputs::load_identities() const {
  return seal::Identities::load(identity_paths());
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
