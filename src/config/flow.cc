#include "config/flow.h"

#include <fmt/format.h>
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <memory>

#include "base/result.h"
#include "config/actions.h"
#include "config/address_range.h"

namespace cryptnono::config {

namespace {

using Name = std::string_view;
using Value = Document::Value;

// Distinct destinations that the kernel side remembers, less one (FLOW_PAIRS, bpf/api/flow.h).
constexpr std::uint32_t kMaxThreshold = 127;
constexpr std::uint32_t kMaxWindow = 3600;

// `secret`: an error does not quote it.
void read_ranges(Fields& fields, Name name, Value list, std::uint16_t file,
                 std::vector<AddressRange>& out, bool secret = false) {
  std::vector<AddressRange> ranges;
  const std::string item_name = fmt::format("an item of {}", name);
  const bool is_list = fields.read_list(name, list, [&](Value item) {
    const auto text = fields.read_string(item_name, item, secret);
    if (!text) return;
    AddressRange range;
    const std::string wrong = parse_address_range(*text, range);
    if (!wrong.empty()) {
      // Behind the semicolon is what it would be rightly.
      if (secret)
        return fields.error(item.position(),
                            fmt::format("{} is {}", item_name, wrong.substr(0, wrong.find(';'))));
      return fields.error(item.position(),
                          fmt::format("{}: {} is {}", item_name, show_value(*text), wrong));
    }
    const Position position = item.position();
    constexpr std::uint32_t kMaxColumn = std::numeric_limits<decltype(Origin::column)>::max();
    range.origin = {.file = file,
                    .column = static_cast<std::uint16_t>(std::min(position.column, kMaxColumn)),
                    .line = position.line};
    ranges.push_back(range);
  });
  if (is_list) out = std::move(ranges);
}

void read_strings(Fields& fields, Name name, Value list, std::vector<std::string>& out) {
  std::vector<std::string> strings;
  const std::string item_name = fmt::format("an item of {}", name);
  const bool is_list = fields.read_list(name, list, [&](Value item) {
    const auto text = fields.read_string(item_name, item);
    if (!text) return;
    if (!text->starts_with('/')) {
      return fields.error(item.position(), fmt::format("{} must be an absolute path, not {}",
                                                       item_name, show_value(*text)));
    }
    strings.emplace_back(*text);
  });
  if (is_list) out = std::move(strings);
}

void read_scan(Fields& fields, Name name, Value value, std::uint16_t file, Scan& out) {
  const auto read_per = [&](Name key, Value item) {
    fields.read_choice<CountPer>(key, item,
                                 {{"process", CountPer::kProcess},
                                  {"tree", CountPer::kTree},
                                  {"session", CountPer::kSession},
                                  {"container", CountPer::kContainer}},
                                 out.per);
  };
  fields.read_mapping(
      name, value,
      {{"enabled", [&](Name key, Value item) { fields.read_bool(key, item, out.enabled); }},
       {"threshold",
        [&](Name key, Value item) {
          fields.read_integer(key, item, 1, kMaxThreshold, "", out.threshold);
        }},
       {"window",
        [&](Name key, Value item) {
          fields.read_integer(key, item, 1, kMaxWindow, " seconds", out.window_s);
        }},
       {"per", read_per},
       {"onlyFailed", [&](Name key, Value item) { fields.read_bool(key, item, out.only_failed); }},
       {"udp", [&](Name key, Value item) { fields.read_bool(key, item, out.udp); }},
       {"ignore",
        [&](Name key, Value list) { read_ranges(fields, key, list, file, out.ignore); }}});
}

struct Glob {
  explicit Glob(const std::string& pattern) {
    // GLOB_NOCHECK: a pattern without a match is handed back, so that a missing file is noticed.
    // NOLINTNEXTLINE(concurrency-mt-unsafe): unsafe are only the flags for login names
    glob(pattern.c_str(), GLOB_NOCHECK, nullptr, &found);
  }
  ~Glob() { globfree(&found); }
  Glob(const Glob&) = delete;
  Glob& operator=(const Glob&) = delete;
  glob_t found{};
};

bool is_directory(const char* path) {
  struct stat status {};
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

void read_tcpflowkiller(Fields& fields, Name name, Value value, std::uint16_t file,
                        Tcpflowkiller& out) {
  const auto read_hooks = [&](Name key, Value item) {
    fields.read_choice<ConnectHooks>(key, item,
                                     {{"kill", ConnectHooks::kKill},
                                      {"refuse", ConnectHooks::kRefuse},
                                      {"observe", ConnectHooks::kObserve}},
                                     out.hooks);
  };
  // The list replaces that of an earlier file, but not the bans of groups.
  const auto read_bans = [&](Name key, Value list) {
    std::vector<AddressRange> bans;
    read_ranges(fields, key, list, file, bans);
    std::copy_if(out.bans.begin(), out.bans.end(), std::back_inserter(bans),
                 [](const AddressRange& each) { return each.group != kNoGroup; });
    out.bans = std::move(bans);
  };
  const auto read_limit = [&](Name limit_name, Value limit) {
    fields.read_mapping(limit_name, limit,
                        {{"maxTargets",
                          [&](Name key, Value item) {
                            fields.read_integer(key, item, 1, 64, "", out.limit.max_targets);
                          }},
                         {"window", [&](Name key, Value item) {
                            fields.read_integer(key, item, 1, kMaxWindow, " seconds",
                                                out.limit.window_s);
                          }}});
  };
  fields.read_mapping(
      name, value,
      {{"enabled", [&](Name key, Value item) { fields.read_bool(key, item, out.enabled); }},
       {"action", [&](Name key, Value item) { read_action(fields, key, item, out.action); }},
       {"bans", read_bans},
       {"banFiles", [&](Name key, Value list) { read_strings(fields, key, list, out.ban_files); }},
       {"allow", [&](Name key, Value list) { read_ranges(fields, key, list, file, out.allowed); }},
       {"allowFiles",
        [&](Name key, Value list) { read_strings(fields, key, list, out.allow_files); }},
       {"scan", [&](Name key, Value item) { read_scan(fields, key, item, file, out.scan); }},
       {"hooks", read_hooks},
       {"logConnects",
        [&](Name key, Value item) { fields.read_bool(key, item, out.log_connects); }},
       {"limit", read_limit}});
}

void read_banned_addresses(Fields& fields, Name name, Value list, std::uint16_t file,
                           std::vector<AddressRange>& out) {
  std::vector<AddressRange> bans;
  read_ranges(fields, name, list, file, bans, true);
  out.insert(out.end(), bans.begin(), bans.end());
}

void add_address_group(AddressGroup group, std::vector<AddressRange> bans, Tcpflowkiller& out) {
  if (bans.empty()) return;
  // check_address_groups() has an error for what does not fit.
  const auto index = static_cast<std::uint16_t>(
      std::min<std::size_t>(out.groups.size(), std::size_t{kNoGroup} - 1));
  for (AddressRange& each : bans) each.group = index;
  out.groups.push_back(std::move(group));
  out.bans.insert(out.bans.end(), bans.begin(), bans.end());
}

void check_address_groups(const Config& config, Diagnostics& diagnostics) {
  const Tcpflowkiller& flow = config.tcpflowkiller;
  if (flow.groups.size() > kMaxAddressGroups) {
    return diagnostics.error("", {},
                             fmt::format("{} groups have bannedAddresses; at most {} may",
                                         flow.groups.size(), kMaxAddressGroups));
  }
  if (flow.enabled) return;
  std::vector<std::uint16_t> told;
  for (const AddressRange& ban : flow.bans) {
    if (ban.group == kNoGroup || std::find(told.begin(), told.end(), ban.origin.file) != told.end())
      continue;
    told.push_back(ban.origin.file);
    diagnostics.warning(config.files.at(ban.origin.file),
                        {.line = ban.origin.line, .column = ban.origin.column},
                        "bannedAddresses ban nothing: tcpflowkiller is not enabled");
  }
}

void read_flowkiller(Fields& fields, Name name, Value value, Config& out) {
  Tcpflowkiller& flow = out.tcpflowkiller;
  flow.enabled = true;
  bool debug = false;
  bool container_info = true;
  std::uint32_t port = 0;
  std::vector<std::string> envs;
  const auto read_envs = [&](Name key, Value list) {
    const bool is_list = fields.read_list(key, list, [&](Value item) {
      if (const auto text = fields.read_string(key, item)) envs.emplace_back(*text);
    });
    if (is_list) out.containers.environment = envs;
  };
  fields.read_mapping(
      name, value,
      {{"banned_ipv4_file_globs",
        [&](Name key, Value list) { read_strings(fields, key, list, flow.ban_files); }},
       {"unique_destinations_threshold",
        [&](Name key, Value item) {
          fields.read_integer(key, item, 1, kMaxThreshold, "", flow.scan.threshold);
        }},
       {"lookback_duration_seconds",
        [&](Name key, Value item) {
          fields.read_integer(key, item, 1, kMaxWindow, " seconds", flow.scan.window_s);
        }},
       {"log_connects",
        [&](Name key, Value item) { fields.read_bool(key, item, flow.log_connects); }},
       {"metrics_port",
        [&](Name key, Value item) { fields.read_integer(key, item, 0, 65535, "", port); }},
       {"debug", [&](Name key, Value item) { fields.read_bool(key, item, debug); }},
       {"log_container_info",
        [&](Name key, Value item) { fields.read_bool(key, item, container_info); }},
       {"log_container_envs", read_envs}});
  if (debug) out.log.level = LogLevel::kDebug;
  const std::string listen = fmt::format(":{}", port);
  auto& all = out.metrics.listen;
  if (port != 0 && std::find(all.begin(), all.end(), listen) == all.end()) all.push_back(listen);
}

void read_address_lists(Config& config, Diagnostics& diagnostics, const ReadFile& read_file) {
  const auto read_one = [&](const std::string& path, std::vector<AddressRange>& out) {
    const std::size_t index = config.files.size();
    config.files.push_back(path);
    if (index > std::numeric_limits<decltype(Origin::file)>::max())
      return diagnostics.error(path, {}, "too many files");
    const Result<FileText> text = read_file(path);
    if (text && text->sealed()) diagnostics.keep_secret(path);
    if (!text) return diagnostics.error(path, {}, text.error().message);
    parse_address_list(path, *text, static_cast<std::uint16_t>(index), diagnostics, out);
  };
  const auto read_all = [&](const std::vector<std::string>& patterns,
                            std::vector<AddressRange>& out) {
    std::vector<std::string> seen;
    for (const std::string& pattern : patterns) {
      const Glob matches(pattern);
      for (std::size_t i = 0; i < matches.found.gl_pathc; ++i) {
        const char* path = matches.found.gl_pathv[i];
        if (is_directory(path) || std::find(seen.begin(), seen.end(), path) != seen.end()) continue;
        struct stat status {};
        const bool wild = pattern.find_first_of("*?[") != std::string::npos;
        if (wild && path == pattern && stat(path, &status) != 0) {
          diagnostics.warning("", {}, fmt::format("no file matches {}", show_value(pattern)));
          continue;
        }
        seen.emplace_back(path);
        read_one(path, out);
      }
    }
  };
  read_all(config.tcpflowkiller.ban_files, config.tcpflowkiller.bans);
  read_all(config.tcpflowkiller.allow_files, config.tcpflowkiller.allowed);
}

}  // namespace cryptnono::config
