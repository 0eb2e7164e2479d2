// The fields of one line of a JSON log that a replay needs. Hand-written because logs may hold what
// JSON libraries refuse: lone surrogates, by which Python writes bytes that are not UTF-8.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cryptnono::replay {

// A value of the outermost object: a string, the strings of an array, or neither (a number, an
// object).
struct JsonField {
  std::string_view key;
  std::vector<std::string> strings;
  bool is_array = false;
};

// Calls `field` for each; false if `line` is no JSON object. Does not recurse; the strings of
// U+DC80 to U+DCFF are the bytes that they stand for.
bool read_fields(std::string_view line, const std::function<void(JsonField&)>& field);

}  // namespace cryptnono::replay
