// Fields: typed values out of a Document, with errors that say what would be right.
//
// Each read_ function checks one value and writes `out` only if it is right, so that what is wrong
// keeps the value it had and the caller can go on to the next. `name` is the full name of the key
// ("execwhacker.limit.window") and begins the message.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/diagnostics.h"
#include "config/document.h"

namespace cryptnono::config {

class Fields {
 public:
  using Value = Document::Value;

  // One key that a mapping may have, and what to do with its value.
  struct Key {
    std::string_view name;
    std::function<void(std::string_view full_name, Value value)> read;
  };

  // Both must outlive it. `file` is what errors are reported under.
  Fields(std::string_view file, Diagnostics& diagnostics)
      : file_(file), diagnostics_(diagnostics) {}

  void error(Position position, std::string what) {
    diagnostics_.error(file_, position, std::move(what));
  }
  void warning(Position position, std::string what) {
    diagnostics_.warning(file_, position, std::move(what));
  }

  // Reads every key of a mapping; `name` is empty for the whole file. An unknown key is an error
  // with the nearest known one as a hint.
  void read_mapping(std::string_view name, Value value, const std::vector<Key>& keys);

  void read_bool(std::string_view name, Value value, bool& out);
  // `unit` follows the bounds in the message: " seconds", or empty.
  void read_integer(std::string_view name, Value value, std::uint32_t min, std::uint32_t max,
                    std::string_view unit, std::uint32_t& out);
  void read_seconds(std::string_view name, Value value, double max, double& out);

  template <typename Enum>
  void read_choice(std::string_view name, Value value,
                   const std::vector<std::pair<std::string_view, Enum>>& choices, Enum& out) {
    std::vector<std::string_view> names;
    for (const auto& choice : choices) names.push_back(choice.first);
    if (const auto index = find_choice(name, value, names)) out = choices[*index].second;
  }

  // Calls `read` for each item of a list. False: it is no list, and an error. `secret`: that does
  // not quote what is there instead.
  bool read_list(std::string_view name, Value value, const std::function<void(Value item)>& read,
                 bool secret = false);

  // The text of a value that must be a string. A YAML scalar without quotes is one unless it is
  // empty or reads as null, true or false; a JSON scalar is one only in quotes. `secret`: an error
  // does not quote it.
  std::optional<std::string_view> read_string(std::string_view name, Value value,
                                              bool secret = false);
  // A string that is an absolute path in its shortest form, without NUL.
  std::optional<std::string_view> read_path(std::string_view name, Value value,
                                            bool secret = false);

  // `value` for a message: its text in quotes, "a list", "a mapping", "null" or "nothing".
  // In a sealed file the text is left out.
  [[nodiscard]] std::string describe(Value value) const;
  // The same without its text in any file.
  [[nodiscard]] std::string describe_secret(Value value) const;

 private:
  std::optional<std::size_t> find_choice(std::string_view name, Value value,
                                         const std::vector<std::string_view>& names);

  std::string_view file_;
  Diagnostics& diagnostics_;
};

// A scalar without quotes that reads as null or as nothing at all.
[[nodiscard]] bool is_null(Document::Value value);

}  // namespace cryptnono::config
