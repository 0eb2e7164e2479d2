#include "commands/flowkiller_flags.h"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace cryptnono::commands {

namespace {

enum class Form : std::uint8_t { kBool, kNumber, kList };

struct Setting {
  const char* name;
  Form form;
};

constexpr std::array<Setting, 8> kSettings{{{"banned_ipv4_file_globs", Form::kList},
                                            {"log_container_envs", Form::kList},
                                            {"debug", Form::kBool},
                                            {"log_connects", Form::kBool},
                                            {"log_container_info", Form::kBool},
                                            {"lookback_duration_seconds", Form::kNumber},
                                            {"metrics_port", Form::kNumber},
                                            {"unique_destinations_threshold", Form::kNumber}}};

// True and False are Python's. What is neither, or no number, stays text, which the configuration's
// reader refuses by name.
nlohmann::ordered_json scalar(Form form, const std::string& text) {
  if (form == Form::kBool && (text == "True" || text == "true" || text == "1")) return true;
  if (form == Form::kBool && (text == "False" || text == "false" || text == "0")) return false;
  auto number = nlohmann::ordered_json::parse(text, nullptr, false);
  if (form == Form::kNumber && number.is_number_integer()) return number;
  return text;
}

// One item; or a list as Python writes it: ['a', 'b'].
void append(const std::string& text, nlohmann::ordered_json& list) {
  std::string json = text;
  if (json.starts_with('[')) {
    for (char& c : json) c = c == '\'' ? '"' : c;
    const auto items = nlohmann::ordered_json::parse(json, nullptr, false);
    if (items.is_array()) {
      for (const auto& item : items) list.push_back(item);
      return;
    }
  }
  list.push_back(text);
}

}  // namespace

void FlowkillerFlags::add_to(CLI::App& command, std::vector<std::string>& files) {
  constexpr auto kGroup = "Settings of the predecessor's flowkiller";
  const auto add = [&](const std::string& name, std::vector<std::string>& into) {
    command.add_option("--FlowKiller." + name, into)->allow_extra_args(false)->group(kGroup);
  };
  for (const Setting& setting : kSettings) add(setting.name, values_[setting.name]);
  command
      .add_option_function<std::string>(
          "--FlowKiller.config_file", [&files](const std::string& file) { files.push_back(file); })
      ->group(kGroup);
}

std::string FlowkillerFlags::as_configuration() const {
  nlohmann::ordered_json out;
  for (const Setting& setting : kSettings) {
    const auto found = values_.find(setting.name);
    if (found == values_.end() || found->second.empty()) continue;
    if (setting.form != Form::kList) {
      out[setting.name] = scalar(setting.form, found->second.back());
    } else {
      nlohmann::ordered_json list = nlohmann::ordered_json::array();
      for (const std::string& value : found->second) append(value, list);
      out[setting.name] = list;
    }
  }
  if (out.empty()) return {};
  return nlohmann::ordered_json{{"FlowKiller", out}}.dump();
}

}  // namespace cryptnono::commands
