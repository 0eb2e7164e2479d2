// What most commands take: configuration files and how to read them.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "config/load.h"

namespace cryptnono::commands {

struct Inputs {
  std::vector<std::string> files = {};       // -c
  std::vector<std::string> identities = {};  // --identity: files or directories of age identities
  bool reveal = false;  // --reveal: show what is banned, and not only rules' ids

  // The options; the object must outlive `command`.
  void add_files_to(CLI::App& command);
  void add_identities_to(CLI::App& command);  // add_files_to() does
  void add_reveal_to(CLI::App& command);

  // Those given; if none is, what the environment names (seal/identities.h).
  [[nodiscard]] std::vector<std::string> identity_paths() const;
  [[nodiscard]] config::LoadOptions load_options() const;
  // Nothing if the configuration is wrong: `err` then has every error.
  [[nodiscard]] std::optional<config::Config> load_or_say(std::ostream& err) const;
};

}  // namespace cryptnono::commands
