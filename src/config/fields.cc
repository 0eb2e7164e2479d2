#include "config/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>

namespace cryptnono::config {

namespace {

using Kind = Document::Kind;
using Style = Document::Style;

bool is_any_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// Not a string by how it is written.
bool is_bare(Document::Value value) {
  return value.kind() == Kind::kScalar && value.style() != Style::kString;
}

bool is_true(Document::Value value) {
  return is_bare(value) && is_any_of(value.text(), {"true", "True", "TRUE"});
}

bool is_false(Document::Value value) {
  return is_bare(value) && is_any_of(value.text(), {"false", "False", "FALSE"});
}

// The whole text as a number.
template <typename Number>
std::optional<Number> to_number(Document::Value value) {
  if (!is_bare(value)) return std::nullopt;
  const std::string_view text = value.text();
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string join(std::string_view name, std::string_view key) {
  return name.empty() ? std::string(key) : fmt::format("{}.{}", name, key);
}

}  // namespace

bool is_null(Document::Value value) {
  return is_bare(value) && is_any_of(value.text(), {"", "~", "null", "Null", "NULL"});
}

std::string Fields::describe(Value value) const {
  switch (value.kind()) {
    case Kind::kSequence:
      return "a list";
    case Kind::kMapping:
      return "a mapping";
    case Kind::kScalar:
      break;
  }
  const std::string_view text = value.text();
  if (!is_bare(value) || diagnostics_.is_secret(file_)) return show_value(text);
  if (text.empty()) return "nothing";
  const bool tame =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return tame && text.size() <= 60 ? std::string(text) : show_value(text);
}

std::string Fields::describe_secret(Value value) const {
  if (value.kind() != Kind::kScalar || is_null(value)) return describe(value);
  return is_bare(value) ? "a bare word or number" : "a string";
}

void Fields::read_mapping(std::string_view name, Value value, const std::vector<Key>& keys) {
  if (value.kind() != Kind::kMapping) {
    error(value.position(), fmt::format("{} must be a mapping (key: value), not {}",
                                        name.empty() ? "the file" : name, describe(value)));
    return;
  }
  value.for_each_entry([&](Value key, Value item) {
    const auto found = std::find_if(keys.begin(), keys.end(),
                                    [&](const Key& known) { return known.name == key.text(); });
    if (found != keys.end()) {
      found->read(join(name, found->name), item);
      return;
    }
    std::vector<std::string_view> names;
    for (const Key& known : keys) names.push_back(known.name);
    const std::string_view near = nearest(key.text(), names);
    error(key.position(),
          fmt::format("unknown key {}{}{}", show_value(key.text()),
                      name.empty() ? "" : fmt::format(" in {}", name),
                      near.empty() ? fmt::format("; known are {}", fmt::join(names, ", "))
                                   : fmt::format("; did you mean {}?", near)));
  });
}

void Fields::read_bool(std::string_view name, Value value, bool& out) {
  if (is_true(value)) {
    out = true;
  } else if (is_false(value)) {
    out = false;
  } else {
    error(value.position(), fmt::format("{} must be true or false, not {}", name, describe(value)));
  }
}

void Fields::read_integer(std::string_view name, Value value, std::uint32_t min, std::uint32_t max,
                          std::string_view unit, std::uint32_t& out) {
  const auto number = to_number<std::uint32_t>(value);
  if (number && *number >= min && *number <= max) {
    out = *number;
    return;
  }
  error(value.position(), fmt::format("{} must be a whole number from {} to {}{}, not {}", name,
                                      min, max, unit, describe(value)));
}

void Fields::read_seconds(std::string_view name, Value value, double max, double& out) {
  const auto number = to_number<double>(value);
  if (number && std::isfinite(*number) && *number >= 0 && *number <= max) {
    out = std::abs(*number);  // -0 is 0
    return;
  }
  error(value.position(), fmt::format("{} must be a number of seconds from 0 to {:.0f}, not {}",
                                      name, max, describe(value)));
}

bool Fields::read_list(std::string_view name, Value value,
                       const std::function<void(Value item)>& read, bool secret) {
  if (value.kind() != Kind::kSequence) {
    error(value.position(), fmt::format("{} must be a list, not {}{}", name,
                                        secret ? describe_secret(value) : describe(value),
                                        is_null(value) ? "; an empty one is []" : ""));
    return false;
  }
  value.for_each_item(read);
  return true;
}

std::optional<std::string_view> Fields::read_string(std::string_view name, Value value,
                                                    bool secret) {
  const bool not_text = is_null(value) || is_true(value) || is_false(value) ||
                        (value.kind() == Kind::kScalar && value.style() == Style::kJsonLiteral);
  if (value.kind() == Kind::kScalar && !not_text) return value.text();
  const bool word = not_text && !value.text().empty();
  const std::string what = secret ? describe_secret(value) : describe(value);
  error(value.position(), fmt::format("{} must be a string, not {}{}", name, what,
                                      word ? "; put it in quotes if it is meant as text" : ""));
  return std::nullopt;
}

std::optional<std::string_view> Fields::read_path(std::string_view name, Value value, bool secret) {
  const auto text = read_string(name, value, secret);
  if (!text) return std::nullopt;
  if (!text->starts_with('/') || text->find('\0') != std::string_view::npos) {
    error(value.position(), fmt::format("{} must be an absolute path{}", name,
                                        secret ? "" : fmt::format(", not {}", describe(value))));
    return std::nullopt;
  }
  // It is compared with what the kernel says, which never has "..", "//" or a slash at the end.
  std::string shortest = std::filesystem::path(*text).lexically_normal().string();
  while (shortest.size() > 1 && shortest.ends_with('/')) shortest.pop_back();
  if (shortest != *text) {
    error(value.position(),
          secret ? fmt::format("{} must be written without '..', '.', '//' and a slash at its end",
                               name)
                 : fmt::format("{} must be written {}, not {}", name, show_value(shortest),
                               describe(value)));
    return std::nullopt;
  }
  return text;
}

std::optional<std::size_t> Fields::find_choice(std::string_view name, Value value,
                                               const std::vector<std::string_view>& names) {
  if (value.kind() == Kind::kScalar) {
    const auto found = std::find(names.begin(), names.end(), value.text());
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  }
  error(value.position(),
        fmt::format("{} must be one of {}, not {}", name, fmt::join(names, ", "), describe(value)));
  return std::nullopt;
}

}  // namespace cryptnono::config
