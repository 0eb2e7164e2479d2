#include "config/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "base/utf8.h"
#include "config/python_regex.h"
#include "config/utf8.h"

namespace cryptnono::config {

namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";

struct FoldedHash {
  std::size_t operator()(std::string_view text) const {  // FNV-1a; nobody gains by colliding rules
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : text)
      hash = (hash ^ static_cast<unsigned char>(ascii_lower(c))) * 0x100000001b3U;
    return hash;
  }
};

struct FoldedEqual {
  bool operator()(std::string_view a, std::string_view b) const {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
  }
};

// Drops from the lists `rules_of` gives for each group what stood in one before.
template <typename RulesOf>
void remove_duplicates(std::vector<RuleGroup>& groups, RulesOf rules_of) {
  std::size_t total = 0;
  for (RuleGroup& group : groups) total += rules_of(group).size();
  std::unordered_set<std::string_view, FoldedHash, FoldedEqual> seen;
  seen.reserve(total);

  // The set looks into the strings, so they stay in place until all are seen.
  std::vector<bool> keep;
  keep.reserve(total);
  for (RuleGroup& group : groups) {
    for (const RuleText& rule : rules_of(group)) keep.push_back(seen.insert(rule.text).second);
  }
  if (seen.size() == total) return;
  seen.clear();
  std::size_t next = 0;
  for (RuleGroup& group : groups) {
    std::erase_if(rules_of(group), [&](const RuleText&) { return !keep[next++]; });
  }
}

}  // namespace

std::vector<Fields::Key> RuleReader::keys() {
  return {
      {"bannedCommandStrings",
       [this](std::string_view name, Value value) {
         read_banned(name, value, 1, group_.banned_strings);
       }},
      {"bannedCommandSubstrings",
       [this](std::string_view name, Value value) {
         read_banned(name, value, kMinSubstringLength, group_.banned_substrings);
       }},
      {"allowedCommandPatterns",
       [this](std::string_view name, Value value) {
         if (!take(name, value, budget_.patterns, kMaxAllowRules)) return;
         fields_.read_list(
             name, value, [&](Value item) { read_pattern_item(name, item); }, true);
       }},
      {"allowedExecutables",
       [this](std::string_view name, Value value) {
         if (!take(name, value, budget_.executables, kMaxAllowRules)) return;
         fields_.read_list(
             name, value, [&](Value item) { read_executable_item(name, item); }, true);
       }},
  };
}

bool RuleReader::take(std::string_view name, Value list, std::size_t& left, std::size_t all) {
  if (list.kind() != Document::Kind::kSequence) return true;  // an error of its own
  if (list.size() <= left) {
    left -= list.size();
    return true;
  }
  fields_.error(list.position(), fmt::format("{} has {} items; all files together may have {}",
                                             name, list.size(), all));
  return false;
}

void RuleReader::read_banned(std::string_view name, Value list, std::size_t min_bytes,
                             std::vector<RuleText>& out) {
  if (!take(name, list, budget_.banned, kMaxRules)) return;
  if (list.kind() == Document::Kind::kSequence) out.reserve(out.size() + list.size());
  const std::string item_name = fmt::format("an item of {}", name);
  fields_.read_list(
      name, list, [&](Value item) { read_banned_item(item_name, item, min_bytes, out); }, true);
}

void RuleReader::read_banned_item(std::string_view name, Value item, std::size_t min_bytes,
                                  std::vector<RuleText>& out) {
  const auto text = fields_.read_string(name, item, true);
  if (!text) return;
  const auto error = [&](std::string_view what) {
    fields_.error(item.position(), fmt::format("{} {}", name, what));
  };
  if (text->empty()) return error("is empty");
  const std::size_t first = text->find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return error("is nothing but blanks");
  if (text->find('\0') != std::string_view::npos) {
    return error("contains a NUL character, which no command line can");
  }
  if (text->size() > kMaxRuleLength) {
    return error(
        fmt::format("is {} bytes long; at most {} are possible", text->size(), kMaxRuleLength));
  }
  if (text->size() < min_bytes) {
    return error(fmt::format("is {} bytes long; at least {} are needed", text->size(), min_bytes));
  }
  if (first != 0 || text->find_last_not_of(kBlanks) != text->size() - 1) {
    fields_.warning(item.position(), fmt::format("{} has blanks at an end, which count", name));
  }
  if (const std::size_t characters = utf8::count(*text); characters <= 2) {
    fields_.warning(item.position(),
                    fmt::format("{} has only {}, which harmless command lines have too", name,
                                characters == 1 ? "one character" : "two characters"));
  }
  out.push_back({std::string(*text), origin(item)});
}

void RuleReader::read_pattern_item(std::string_view name, Value item) {
  auto pattern = read_pattern(fmt::format("an item of {}", name), item);
  if (!pattern) return;
  group_.allowed_patterns.push_back({*std::move(pattern), origin(item)});
  group_.written_patterns.emplace_back(item.text());
}

void RuleReader::read_executable_item(std::string_view name, Value item) {
  AllowedExecutable executable{.path = {}, .pattern = {}, .origin = origin(item)};
  const auto read_path = [&](std::string_view path_name, Value value) {
    if (const auto path = fields_.read_path(path_name, value, true)) executable.path = *path;
    return !executable.path.empty();
  };
  const std::string item_name = fmt::format("an item of {}", name);
  if (item.kind() != Document::Kind::kMapping) {
    if (!read_path(item_name, item)) return;
  } else {
    bool has_path = false;
    bool good = true;
    fields_.read_mapping(name, item,
                         {{"path",
                           [&](std::string_view path_name, Value value) {
                             has_path = true;
                             good &= read_path(path_name, value);
                           }},
                          {"pattern", [&](std::string_view pattern_name, Value value) {
                             executable.pattern = read_pattern(pattern_name, value);
                             good &= executable.pattern.has_value();
                           }}});
    if (!has_path) fields_.error(item.position(), fmt::format("{} has no path", item_name));
    // A rule without its pattern would spare more than was asked for.
    if (!has_path || !good) return;
  }
  group_.allowed_executables.push_back(std::move(executable));
}

std::optional<std::string> RuleReader::read_pattern(std::string_view name, Value value) {
  const auto text = fields_.read_string(name, value, true);
  if (!text) return std::nullopt;
  if (text->find_first_not_of(kBlanks) == std::string_view::npos) {
    fields_.error(value.position(), fmt::format("{} is empty; it would spare everything", name));
    return std::nullopt;
  }
  if (budget_.program == 0) return std::nullopt;  // told
  auto compiled = compile_allowed_pattern(*text);
  if (compiled) {
    budget_.program -= std::min(budget_.program, compiled->program_size);
    if (budget_.program == 0) {
      fields_.error(
          value.position(),
          fmt::format("{}: this pattern and those before it are too large together; those "
                      "after it were not read",
                      name));
      return std::nullopt;
    }
  } else {
    const std::size_t offset = compiled.error().offset;
    fields_.error(value.position_of(offset),
                  fmt::format("{}: {} (at character {} of the pattern)", name,
                              compiled.error().what, utf8::count(text->substr(0, offset)) + 1));
    return std::nullopt;
  }
  if (compiled->spares_all) {
    fields_.warning(value.position(), fmt::format("{} matches every command line", name));
  }
  return std::move(compiled->re2);
}

Origin RuleReader::origin(Value value) const {
  constexpr std::uint32_t kMaxColumn = std::numeric_limits<std::uint16_t>::max();
  const Position position = value.position();
  return {.file = static_cast<std::uint16_t>(file_),
          .column = static_cast<std::uint16_t>(std::min(position.column, kMaxColumn)),
          .line = position.line};
}

void remove_duplicate_rules(std::vector<RuleGroup>& groups) {
  remove_duplicates(
      groups, [](RuleGroup & group) -> auto& { return group.banned_strings; });
  remove_duplicates(
      groups, [](RuleGroup & group) -> auto& { return group.banned_substrings; });
  std::erase_if(groups, [](const RuleGroup& group) {
    return group.banned_strings.empty() && group.banned_substrings.empty() &&
           group.allowed_patterns.empty() && group.allowed_executables.empty();
  });
}

}  // namespace cryptnono::config
