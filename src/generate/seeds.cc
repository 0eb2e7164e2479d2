#include "generate/seeds.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/document.h"
#include "config/fields.h"
#include "config/groups.h"
#include "config/report_first.h"
#include "config/rule_id.h"
#include "config/types.h"
#include "generate/wallets.h"

namespace cryptnono::generate {

namespace {

using config::Fields;
using Value = config::Document::Value;

std::optional<unsigned> number(std::string_view digits) {
  unsigned value = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

class SeedReader {
 public:
  SeedReader(const NamedText& file, std::uint32_t index, SeedSet& set,
             config::Diagnostics& diagnostics)
      : file_(index), set_(set), fields_(file.name, diagnostics) {}

  void read(Value root) {
    fields_.read_mapping("", root,
                         {{"ruleIdKey", [this](auto name, Value value) { read_key(name, value); }},
                          {"groups", [this](auto name, Value value) {
                             fields_.read_list(name, value,
                                               [this](Value item) { read_group(item); });
                           }}});
  }

 private:
  void read_key(std::string_view name, Value value) {
    const auto key = fields_.read_string(name, value, true);
    if (!key) return;
    if (config::id_key_of(*key).empty()) {
      return fields_.error(
          value.position(),
          fmt::format("{} is {} bytes long; at least {} are needed, and at most {} possible", name,
                      key->size(), config::kMinIdKeyLength, config::kMaxIdKeyLength));
    }
    if (set_.id_key.empty()) set_.id_key = *key;
  }

  void read_group(Value item) {
    SeedGroup group;
    fields_.read_mapping(
        "groups", item,
        {{"id", [&](auto name, Value value) { read_id(name, value, group); }},
         {"purpose",
          [&](auto name, Value value) {
            if (const auto text = fields_.read_string(name, value)) group.purpose = *text;
          }},
         {"action",
          [&](auto name, Value value) {
            fields_.read_choice<std::string>(name, value,
                                             {{"report", "report"},
                                              {"kill", "kill"},
                                              {"kill-tree", "kill-tree"},
                                              {"kill-container", "kill-container"}},
                                             group.action);
          }},
         {"reportFirst", [&](auto name, Value value) { read_report_first(name, value, group); }},
         {"allowedCommandPatterns",
          [&](auto name, Value value) {
            fields_.read_list(name, value, [&](Value pattern) {
              const auto text =
                  fields_.read_string(fmt::format("an item of {}", name), pattern, true);
              if (text) group.allowed_patterns.emplace_back(*text);
            });
          }},
         {"seeds", [&](auto name, Value value) { read_kinds(name, value, group); }}});
    if (item.kind() != config::Document::Kind::kMapping) return;
    if (group.id.empty()) fields_.error(item.position(), "a group has no id");
    set_.groups.push_back(std::move(group));
  }

  void read_id(std::string_view name, Value value, SeedGroup& group) {
    const auto id = fields_.read_string(name, value);
    if (!id) return;
    group.id = *id;
    if (!config::is_group_id(*id)) {
      return fields_.error(
          value.position(),
          fmt::format("{} is {}; it begins with one of a-z and 0-9, which . _ - may follow, and "
                      "has at most {} characters",
                      name, config::show_value(*id), config::kMaxGroupIdLength));
    }
    for (const SeedGroup& other : set_.groups) {
      if (other.id == *id) {
        fields_.error(value.position(), fmt::format("{} is {}, which another group has", name,
                                                    config::show_value(*id)));
      }
    }
  }

  void read_report_first(std::string_view name, Value value, SeedGroup& group) {
    fields_.read_mapping(
        name, value,
        {{"until",
          [&](auto key, Value date) {
            const auto text = fields_.read_string(key, date);
            if (!text) return;
            if (!config::parse_time(*text)) {
              return fields_.error(date.position(),
                                   fmt::format("{} is {}; it is a date as 2026-12-24, or a time "
                                               "as 2026-12-24T18:00:00Z",
                                               key, config::show_value(*text)));
            }
            group.until = *text;
          }},
         {"cleanDays", [&](auto key, Value days) {
            std::uint32_t count = 0;
            fields_.read_integer(key, days, 1, config::kMaxCleanDays, " days", count);
            if (count != 0) group.clean_days = count;
          }}});
  }

  void read_kinds(std::string_view name, Value value, SeedGroup& group) {
    std::vector<Fields::Key> keys;
    for (std::size_t kind = 0; kind < kSeedKinds; ++kind) {
      keys.push_back({kSeedKeys.at(kind), [this, kind, &group](auto key, Value list) {
                        const std::string item_name = fmt::format("an item of {}", key);
                        fields_.read_list(key, list, [&](Value item) {
                          read_seed(item_name, item, static_cast<SeedKind>(kind), group);
                        });
                      }});
    }
    fields_.read_mapping(name, value, keys);
  }

  void read_seed(std::string_view name, Value item, SeedKind kind, SeedGroup& group) {
    const auto text = fields_.read_string(name, item, true);
    if (!text) return;
    const auto error = [&](std::string_view what) {
      fields_.error(item.position(), fmt::format("{} {}", name, what));
    };
    if (text->empty()) return error("is empty");
    if (text->size() > config::kMaxRuleLength / 4) return error("is longer than 1024 bytes");
    if (text->find('\0') != std::string_view::npos) return error("contains a NUL character");
    if (text->find_first_not_of(" \t\r\n\v\f") != 0 ||
        text->find_last_not_of(" \t\r\n\v\f") + 1 != text->size())
      return error("has blanks at an end");
    if (kind == SeedKind::kWallet && wallet_shape(*text).empty())
      return error("has the shape of no wallet address that is known");
    if (kind == SeedKind::kPool && !is_host(*text))
      return error("is no host name, or HOST:PORT; a scheme belongs into urlSchemes");
    if (kind == SeedKind::kUrlScheme &&
        text->find_first_not_of(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-") !=
            std::string_view::npos)
      return error("is no URL scheme: letters, digits, + . -, without ://");
    if (kind == SeedKind::kOption && text->front() != '-')
      return error("is no option: it begins with -");
    group.seeds.push_back({kind, std::string(*text), file_, item.position()});
  }

  static bool is_host(std::string_view text) {
    std::string_view host = text;
    if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
      const auto port = number(text.substr(colon + 1));
      if (!port || *port == 0 || *port > 65535) return false;
      host = text.substr(0, colon);
    }
    return host.size() >= 4 && host.find('.') != std::string_view::npos && host.front() != '.' &&
           host.back() != '.' &&
           host.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
               std::string_view::npos;
  }

  std::uint32_t file_;
  SeedSet& set_;
  Fields fields_;
};

}  // namespace

void read_seeds(const NamedText& file, std::uint32_t index, SeedSet& set,
                config::Diagnostics& diagnostics) {
  const auto document = config::parse_document(file.name, file.text, diagnostics);
  if (!document) return;
  const auto root = document->root();
  if (root) SeedReader(file, index, set, diagnostics).read(*root);
}

}  // namespace cryptnono::generate
