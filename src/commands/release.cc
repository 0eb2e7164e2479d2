#include "commands/release.h"

#include "app/takeover.h"
#include "config/load.h"

namespace cryptnono::commands {

int run_release(const Inputs& inputs, const std::optional<std::string>& directory,
                std::ostream& out, std::ostream& errors) {
  std::string where(config::kDefaultPinDirectory);
  if (directory) {
    where = *directory;
  } else if (!inputs.files.empty()) {
    const config::LoadResult loaded =
        config::load_files(inputs.files, {.identities = inputs.identity_paths()});
    if (!loaded) {
      for (const config::Diagnostic& each : loaded.error()) errors << to_string(each) << '\n';
      errors << "--pins DIRECTORY does without the configuration\n";
      return static_cast<int>(ExitCode::kConfig);
    }
    if (!loaded->config.pins.directory.empty()) where = loaded->config.pins.directory;
  }
  const Result<std::string> released = app::release_pins(where);
  if (!released) {
    errors << released.error().message << '\n';
    return static_cast<int>(released.error().code);
  }
  out << *released;
  return static_cast<int>(ExitCode::kOk);
}

}  // namespace cryptnono::commands
