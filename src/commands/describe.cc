#include "commands/describe.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace cryptnono::commands {

namespace {

using Json = nlohmann::ordered_json;

// Validators of a closed set say it as {one,two} behind the type.
std::vector<std::string> choices_of(const std::string& type) {
  const auto begin = type.find('{');
  const auto end = type.find('}');
  if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
  return CLI::detail::split(type.substr(begin + 1, end - begin - 1), ',');
}

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> out;
  for (const std::string& name : option.get_snames()) out.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) out.push_back("--" + name);
  if (out.empty()) out.push_back(option.get_name(true, false));
  return out;
}

Json describe_option(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const bool takes_value = option.get_expected_max() > 0 && option.get_type_size_max() > 0;
  return {{"names", names_of(option)},
          {"description", option.get_description()},
          {"value", takes_value ? type.substr(0, type.find_first_of(":{")) : ""},
          {"choices", choices_of(type)},
          {"default", option.get_default_str()},
          {"group", option.get_group()},
          {"repeatable", option.get_expected_max() > 1},
          {"value_optional", takes_value && option.get_expected_min() == 0},
          {"positional", option.get_positional()},
          {"required", option.get_required()}};
}

Json describe(const CLI::App& command) {
  Json options = Json::array();
  for (const CLI::Option* option : command.get_options())
    options.push_back(describe_option(*option));
  Json subcommands = Json::array();
  for (const CLI::App* each : command.get_subcommands([](const CLI::App*) { return true; })) {
    if (!each->get_group().empty()) subcommands.push_back(describe(*each));  // "": not for users
  }
  return {{"name", command.get_name()},
          {"description", command.get_description()},
          {"options", std::move(options)},
          {"subcommands", std::move(subcommands)}};
}

}  // namespace

int run_describe(const CLI::App& cli, std::ostream& out) {
  Json tables = describe(cli);
  tables["version"] = cli.version();
  out << tables.dump(1) << '\n';
  return out.good() ? 0 : 1;
}

}  // namespace cryptnono::commands
