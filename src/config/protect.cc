#include "config/protect.h"

#include <fmt/format.h>

#include <charconv>
#include <functional>
#include <string>
#include <vector>

namespace cryptnono::config {

namespace {

using Name = std::string_view;
using Value = Document::Value;

// The kernel side's set (protected_users, protected_files of bpf/lib/enforce.bpf.h).
constexpr std::size_t kMaxSet = 1024;

// A list of strings; `wrong` says what is wrong with one, or nothing.
void read_texts(Fields& fields, Name name, Value list,
                const std::function<std::string(std::string_view)>& wrong,
                std::vector<std::string>& out) {
  std::vector<std::string> texts;
  const std::string item_name = fmt::format("an item of {}", name);
  const bool is_list = fields.read_list(name, list, [&](Value item) {
    const auto text = fields.read_string(item_name, item);
    if (!text) return;
    if (const std::string why = wrong(*text); !why.empty()) {
      return fields.error(item.position(),
                          fmt::format("{} {}, not {}", item_name, why, show_value(*text)));
    }
    texts.emplace_back(*text);
  });
  if (is_list) out = std::move(texts);
}

std::string wrong_name(std::string_view text) {
  // A DNS label (RFC 1123), which names of namespaces and of containers are.
  const bool label =
      !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
  return label ? "" : "must be a name of lower-case letters, digits and -";
}

std::string wrong_label(std::string_view text) {
  const std::string_view key = text.substr(0, text.find('='));
  const bool good =
      !key.empty() && key.find_first_of(" \t\n") == std::string_view::npos && key.size() <= 317;
  return good ? "" : "must be a label, key or key=value";
}

void read_users(Fields& fields, Name name, Value list, std::vector<std::uint32_t>& out) {
  std::vector<std::uint32_t> users;
  const std::string item_name = fmt::format("an item of {}", name);
  constexpr std::uint32_t kMaxUser = 4'294'967'294;  // the one above says "unchanged" to setuid
  const bool is_list = fields.read_list(name, list, [&](Value item) {
    std::uint32_t user = kMaxUser + 1;
    fields.read_integer(item_name, item, 0, kMaxUser, "", user);
    if (user <= kMaxUser) users.push_back(user);
  });
  if (is_list && users.size() > kMaxSet)
    return fields.error(list.position(), fmt::format("{}: at most {}", name, kMaxSet));
  if (is_list) out = std::move(users);
}

void read_executables(Fields& fields, Name name, Value list, std::vector<std::string>& out) {
  std::vector<std::string> paths;
  const std::string item_name = fmt::format("an item of {}", name);
  const bool is_list = fields.read_list(name, list, [&](Value item) {
    if (const auto path = fields.read_path(item_name, item)) paths.emplace_back(*path);
  });
  if (is_list && paths.size() > kMaxSet)
    return fields.error(list.position(), fmt::format("{}: at most {}", name, kMaxSet));
  if (is_list) out = std::move(paths);
}

}  // namespace

void read_protect(Fields& fields, Name name, Value value, Protect& out) {
  const auto names = [&](std::vector<std::string>& into) {
    return
        [&fields, &into](Name key, Value list) { read_texts(fields, key, list, wrong_name, into); };
  };
  fields.read_mapping(
      name, value,
      {{"namespaces", names(out.namespaces)},
       {"podLabels",
        [&](Name key, Value list) { read_texts(fields, key, list, wrong_label, out.pod_labels); }},
       {"containerNames", names(out.container_names)},
       {"executables",
        [&](Name key, Value list) { read_executables(fields, key, list, out.executables); }},
       {"users", [&](Name key, Value list) { read_users(fields, key, list, out.users); }},
       {"unclassified", [&](Name key, Value item) {
          fields.read_choice<Action>(
              key, item, {{"kill", Action::kKill}, {"report", Action::kReport}}, out.unclassified);
        }}});
}

}  // namespace cryptnono::config
