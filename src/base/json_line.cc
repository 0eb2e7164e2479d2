#include "base/json_line.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/timestamp.h"

namespace cryptnono {

std::string json_string(std::string_view value) {
  return nlohmann::json(value).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

void JsonLine::begin_field(std::string_view key) {
  text_ += text_.empty() ? "{" : ", ";
  text_ += json_string(key);
  text_ += ": ";
}

JsonLine& JsonLine::add(std::string_view key, std::string_view value) {
  if (key == "action") action_ = value;
  begin_field(key);
  text_ += json_string(value);
  return *this;
}

JsonLine& JsonLine::add(std::string_view key, bool value) {
  begin_field(key);
  text_ += value ? "true" : "false";
  return *this;
}

JsonLine& JsonLine::add(std::string_view key, std::int64_t value) {
  begin_field(key);
  text_ += std::to_string(value);
  return *this;
}

JsonLine& JsonLine::add(std::string_view key, std::uint64_t value) {
  begin_field(key);
  text_ += std::to_string(value);
  return *this;
}

JsonLine& JsonLine::add(std::string_view key, double value) {
  begin_field(key);
  text_ += nlohmann::json(value).dump();
  return *this;
}

JsonLine& JsonLine::add(std::string_view key, const std::vector<std::string>& values) {
  begin_field(key);
  text_ += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text_ += ", ";
    text_ += json_string(values[i]);
  }
  text_ += ']';
  return *this;
}

JsonLine& JsonLine::add_json(std::string_view key, std::string_view json) {
  begin_field(key);
  text_ += json;
  return *this;
}

std::string JsonLine::finish(std::string_view event, std::string_view level) {
  add("event", event);
  add("level", level);
  add("timestamp", timestamp(std::chrono::system_clock::now()));
  text_ += "}\n";
  return std::exchange(text_, {});
}

}  // namespace cryptnono
