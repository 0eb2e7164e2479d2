// FlowkillerFlags: the predecessor's command line, --FlowKiller.<setting>=<value>, as a
// configuration.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

namespace cryptnono::commands {

class FlowkillerFlags {
 public:
  // Adds the options to a command. --FlowKiller.config_file adds to `files`. The object must live
  // until the command line is parsed.
  void add_to(CLI::App& command, std::vector<std::string>& files);
  // What was given, as the text of a configuration file {"FlowKiller": {...}}; empty: nothing.
  [[nodiscard]] std::string as_configuration() const;

 private:
  std::map<std::string, std::vector<std::string>> values_;  // by setting
};

}  // namespace cryptnono::commands
