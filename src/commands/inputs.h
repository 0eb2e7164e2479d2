// What most commands take: configuration files and how to read them.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/load.h"
#include "seal/identities.h"

namespace cryptnono::commands {

// An option with one value that may be given several times.
CLI::Option* add_repeated(CLI::App& command, const std::string& name, std::vector<std::string>& out,
                          const std::string& what);

// Says the error on a line of its own; its exit code.
int say(const Error& error, std::ostream& err);

struct Inputs {
  std::vector<std::string> files = {};       // -c: files or directories
  std::vector<std::string> identities = {};  // --identity: files or directories of age identities
  bool reveal = false;  // --reveal: show what is banned, and not only rules' ids

  // The options; the object must outlive `command`.
  void add_files_to(CLI::App& command);
  void add_identities_to(CLI::App& command);  // add_files_to() does
  void add_reveal_to(CLI::App& command);

  // Those given; if none is, what the environment names (seal/identities.h).
  [[nodiscard]] std::vector<std::string> identity_paths() const;
  [[nodiscard]] Result<seal::Identities> load_identities() const;
  [[nodiscard]] config::LoadOptions load_options() const;
  // Nothing if the configuration is wrong: `err` then has every error.
  [[nodiscard]] std::optional<config::Config> load_or_say(std::ostream& err) const;
};

}  // namespace cryptnono::commands
