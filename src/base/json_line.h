// JsonLine: one log record, built field by field.
//
// The form is that of Python's json.dumps, which the predecessor's users parse: fields in the order
// in which they were added,
// ", " and ": " between, ASCII only. Whatever bytes a string holds, the result is valid JSON on one
// line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cryptnono {

class JsonLine {
 public:
  JsonLine& add(std::string_view key, std::string_view value);
  JsonLine& add(std::string_view key, const char* value) {
    return add(key, std::string_view(value));
  }
  JsonLine& add(std::string_view key, const std::string& value) {
    return add(key, std::string_view(value));
  }
  JsonLine& add(std::string_view key, bool value);
  JsonLine& add(std::string_view key, std::int64_t value);
  JsonLine& add(std::string_view key, std::uint64_t value);
  JsonLine& add(std::string_view key, int value) {
    return add(key, static_cast<std::int64_t>(value));
  }
  JsonLine& add(std::string_view key, std::uint32_t value) {
    return add(key, static_cast<std::uint64_t>(value));
  }
  JsonLine& add(std::string_view key, double value);
  JsonLine& add(std::string_view key, const std::vector<std::string>& values);

  // The value of the field "action"; empty: none was added.
  [[nodiscard]] const std::string& action() const { return action_; }

  // `json` is a value that is JSON already.
  JsonLine& add_json(std::string_view key, std::string_view json);

  // Ends the record with event, level and the time of now (UTC, ISO 8601 with microseconds), and
  // returns the line with its newline. The object is empty afterwards.
  std::string finish(std::string_view event, std::string_view level);

 private:
  void begin_field(std::string_view key);
  std::string text_;
  std::string action_;
};

// `value` as a JSON string literal: ASCII, escaped, U+FFFD for bytes that are not UTF-8.
std::string json_string(std::string_view value);

}  // namespace cryptnono
