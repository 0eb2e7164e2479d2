#include "config/load.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "base/result.h"
#include "config/actions.h"
#include "config/address_range.h"
#include "config/directories.h"
#include "config/document.h"
#include "config/fields.h"
#include "config/flow.h"
#include "config/groups.h"
#include "config/listen_address.h"
#include "config/protect.h"
#include "config/read_file.h"
#include "config/report_first.h"
#include "config/rules.h"
#include "config/webhook.h"
#include "seal/identities.h"

namespace cryptnono::config {

const std::string_view kDefaultConfig =
    "# Without a configuration file: the harmless string that shows that detection works.\n"
    "bannedCommandStrings:\n"
    "  - cryptnono.banned.string1\n";

namespace {

constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr double kMaxScanInterval = 365.0 * 24 * 3600;
constexpr double kMaxCanaryInterval = 24 * 3600;

// "/etc/cryptnono/execwhacker-pools.json" is the group "pools"; the chart puts the prefix there.
std::string group_name(std::string_view file) {
  constexpr std::string_view kPrefix = "execwhacker-";
  std::string stem = std::filesystem::path(file).stem().string();
  if (stem.starts_with(kPrefix) && stem.size() > kPrefix.size()) stem.erase(0, kPrefix.size());
  return stem;
}

void read_paths(Fields& fields, std::string_view name, Document::Value list,
                std::vector<std::string>& out) {
  std::vector<std::string> paths;
  const std::string item_name = fmt::format("an item of {}", name);
  const bool is_list = fields.read_list(name, list, [&](Document::Value item) {
    if (const auto path = fields.read_path(item_name, item)) paths.emplace_back(*path);
  });
  if (is_list) out = std::move(paths);
}

void read_limit(Fields& fields, std::string_view name, Document::Value value, Limit& out) {
  using Name = std::string_view;
  using Value = Document::Value;
  fields.read_mapping(
      name, value,
      {{"maxTargets",
        [&](Name key, Value item) { fields.read_integer(key, item, 1, 64, "", out.max_targets); }},
       {"window", [&](Name key, Value item) {
          fields.read_integer(key, item, 1, 3600, " seconds", out.window_s);
        }}});
}

// One load: files go in one after the other, settings of a later one over those of an earlier one.
class Loader {
 public:
  explicit Loader(const LoadOptions& options = {}) : before_lists_(options.before_lists) {
    config_.tcpflowkiller.scan.ignore = private_ranges();
    load_identities(options.identities);
  }
  void add_file(const std::string& path);
  void add_text(std::string_view name, std::string_view text);
  LoadResult finish();

 private:
  using Value = Document::Value;
  using Name = std::string_view;

  [[nodiscard]] std::vector<Fields::Key> setting_keys(Fields& fields, std::uint16_t file);
  void read_scope(Fields& fields, Name name, Value value);
  void read_execwhacker(Fields& fields, Name name, Value value);
  void read_monero(Fields& fields, Name name, Value value);
  void load_identities(const std::vector<std::string>& paths);
  void read_lists();
  void read_containers(Fields& fields, Name name, Value value);
  void read_log(Fields& fields, Name name, Value value);
  void read_metrics(Fields& fields, Name name, Value value);
  void read_control(Fields& fields, Name name, Value value);
  void read_state(Fields& fields, Name name, Value value);
  void read_pins(Fields& fields, Name name, Value value);

  std::function<void(const std::vector<std::string>&)> before_lists_;
  seal::Identities identities_;
  const ReadFile read_file_ = [this](const std::string& path) {
    return read_file(path, identities_);
  };
  Config config_;
  Groups groups_{config_.files};
  Diagnostics diagnostics_;
};

void Loader::load_identities(const std::vector<std::string>& paths) {
  Result<seal::Identities> loaded = seal::Identities::load(paths);
  if (!loaded) return diagnostics_.error("", {}, loaded.error().message);
  identities_ = *std::move(loaded);
  for (const std::string& path : identities_.readable_by_others())
    diagnostics_.warning(path, {}, "the identity can be read by others than its owner");
}

void Loader::add_file(const std::string& path) {
  const Result<FileText> text = read_file_(path);
  if (!text) {
    config_.files.push_back(path);
    diagnostics_.error(path, {}, text.error().message);
    return;
  }
  if (text->sealed()) diagnostics_.keep_secret(path);
  add_text(path, *text);
}

void Loader::add_text(std::string_view name, std::string_view text) {
  const std::size_t index = config_.files.size();
  config_.files.emplace_back(name);
  if (index > std::numeric_limits<decltype(Origin::file)>::max()) {
    diagnostics_.error(name, {}, "too many files");
    return;
  }
  const auto document = parse_document(name, text, diagnostics_);
  if (!document) return;
  const auto root = document->root();
  if (!root || is_null(*root)) {
    diagnostics_.warning(name, {}, "the file is empty");
    return;
  }
  RuleGroup group;
  Fields fields(name, diagnostics_);
  groups_.begin_file(static_cast<std::uint16_t>(index));
  RuleReader rules(fields, index, group, groups_.budget());
  std::vector<Fields::Key> keys = rules.keys();
  for (Fields::Key& key : setting_keys(fields, static_cast<std::uint16_t>(index)))
    keys.push_back(std::move(key));
  std::optional<Position> action_at;
  std::optional<Position> report_first_at;
  keys.push_back({"action", [&](Name key, Value value) {
                    action_at = value.position();
                    Action& action = group.action.emplace();
                    read_action(fields, key, value, action);
                  }});
  keys.push_back({"reportFirst", [&](Name key, Value value) {
                    report_first_at = value.position();
                    read_report_first(fields, key, value, group.report_first);
                  }});
  std::vector<AddressRange> addresses;
  keys.push_back({"bannedAddresses", [&](Name key, Value value) {
                    read_banned_addresses(fields, key, value, static_cast<std::uint16_t>(index),
                                          addresses);
                  }});
  keys.push_back({"groups", [&](Name key, Value list) { groups_.read_groups(fields, key, list); }});
  keys.push_back(
      {"ruleIdKey", [&](Name key, Value value) { groups_.read_id_key(fields, key, value); }});
  fields.read_mapping("", *root, keys);
  const bool no_rules = group.banned_strings.empty() && group.banned_substrings.empty() &&
                        group.allowed_patterns.empty() && group.allowed_executables.empty() &&
                        addresses.empty();
  if (group.report_first && group.action == Action::kReport)
    fields.warning(*report_first_at, std::string(kReportFirstHasNoEffect));
  if (!no_rules) groups_.add_unnamed(std::move(group), group_name(name), std::move(addresses));
  if (no_rules && action_at)
    fields.error(*action_at, "action is for the rules of its file, and there is no good one in it");
  if (no_rules && report_first_at)
    fields.error(*report_first_at,
                 "reportFirst is for the rules of its file, and there is no good one in it");
}

void Loader::read_lists() {
  const Tcpflowkiller& flow = config_.tcpflowkiller;
  if (!flow.enabled) return;
  std::vector<std::string> patterns = flow.ban_files;
  patterns.insert(patterns.end(), flow.allow_files.begin(), flow.allow_files.end());
  if (before_lists_) before_lists_(patterns);
  read_address_lists(config_, diagnostics_, read_file_);
}

LoadResult Loader::finish() {
  config_.execwhacker.groups = groups_.take(config_.tcpflowkiller, diagnostics_);
  read_lists();
  check_address_groups(config_, diagnostics_);
  if (diagnostics_.has_errors()) return tl::unexpected(diagnostics_.take_errors());
  std::vector<RuleGroup>& groups = config_.execwhacker.groups;
  remove_duplicate_rules(groups);
  const bool bans = std::any_of(groups.begin(), groups.end(), [](const RuleGroup& group) {
    return !group.banned_strings.empty() || !group.banned_substrings.empty();
  });
  check_webhook(config_, diagnostics_);
  if (!bans) diagnostics_.warning("", {}, "no banned strings: execwhacker has nothing to look for");
  return Loaded{std::move(config_), diagnostics_.take_warnings()};
}

std::vector<Fields::Key> Loader::setting_keys(Fields& fields, std::uint16_t file) {
  return {
      {"dryRun", [&](Name name, Value value) { fields.read_bool(name, value, config_.dry_run); }},
      {"scope", [&](Name name, Value value) { read_scope(fields, name, value); }},
      {"protect",
       [&](Name name, Value value) { read_protect(fields, name, value, config_.protect); }},
      {"execwhacker", [&](Name name, Value value) { read_execwhacker(fields, name, value); }},
      {"monero", [&](Name name, Value value) { read_monero(fields, name, value); }},
      {"tcpflowkiller",
       [this, &fields, file](Name name, Value value) {
         read_tcpflowkiller(fields, name, value, file, config_.tcpflowkiller);
       }},
      {"FlowKiller",
       [&](Name name, Value value) { read_flowkiller(fields, name, value, config_); }},
      {"namespaces",
       [&](Name name, Value value) {
         read_namespaces(fields, name, value, config_.namespace_actions);
       }},
      {"escalation",
       [&](Name name, Value value) { read_escalation(fields, name, value, config_.escalation); }},
      {"containers", [&](Name name, Value value) { read_containers(fields, name, value); }},
      {"log", [&](Name name, Value value) { read_log(fields, name, value); }},
      {"metrics", [&](Name name, Value value) { read_metrics(fields, name, value); }},
      {"canary",
       [&](Name name, Value value) {
         fields.read_mapping(name, value, {{"interval", [&](Name key, Value item) {
                                              fields.read_seconds(key, item, kMaxCanaryInterval,
                                                                  config_.canary.interval_s);
                                            }}});
       }},
      {"control", [&](Name name, Value value) { read_control(fields, name, value); }},
      {"state", [&](Name name, Value value) { read_state(fields, name, value); }},
      {"pins", [&](Name name, Value value) { read_pins(fields, name, value); }},
      {"guard",
       [&](Name name, Value value) {
         fields.read_mapping(name, value, {{"enabled", [&](Name key, Value item) {
                                              fields.read_bool(key, item, config_.guard.enabled);
                                            }}});
       }},
      {"webhook",
       [&](Name name, Value value) {
         read_webhook(fields, name, value, read_file_, config_.webhook);
       }},
  };
}

void Loader::read_scope(Fields& fields, Name name, Value value) {
  fields.read_mapping(
      name, value,
      {{"processes",
        [&](Name key, Value item) {
          fields.read_choice<Processes>(
              key, item, {{"containers", Processes::kContainers}, {"all", Processes::kAll}},
              config_.scope.processes);
        }},
       {"cgroups",
        [&](Name key, Value list) { read_paths(fields, key, list, config_.scope.cgroups); }},
       {"exclude",
        [&](Name key, Value list) { read_paths(fields, key, list, config_.scope.exclude); }}});
}

void Loader::read_execwhacker(Fields& fields, Name name, Value value) {
  Execwhacker& out = config_.execwhacker;
  fields.read_mapping(
      name, value,
      {{"enabled", [&](Name key, Value item) { fields.read_bool(key, item, out.enabled); }},
       {"action", [&](Name key, Value item) { read_action(fields, key, item, out.action); }},
       {"scanInterval",
        [&](Name key, Value item) {
          fields.read_seconds(key, item, kMaxScanInterval, out.scan_interval_s);
        }},
       {"limit", [&](Name key, Value item) { read_limit(fields, key, item, out.limit); }}});
}

void Loader::read_monero(Fields& fields, Name name, Value value) {
  Monero& out = config_.monero;
  const auto read_exempt = [&](Name exempt_name, Value exempt) {
    fields.read_mapping(
        exempt_name, exempt,
        {{"executables",
          [&](Name key, Value list) { read_paths(fields, key, list, out.exempt_executables); }},
         {"cgroups",
          [&](Name key, Value list) { read_paths(fields, key, list, out.exempt_cgroups); }}});
  };
  fields.read_mapping(
      name, value,
      {{"enabled", [&](Name key, Value item) { fields.read_bool(key, item, out.enabled); }},
       {"action", [&](Name key, Value item) { read_action(fields, key, item, out.action); }},
       {"activeSampling",
        [&](Name key, Value item) { fields.read_bool(key, item, out.active_sampling); }},
       {"limit", [&](Name key, Value item) { read_limit(fields, key, item, out.limit); }},
       {"exempt", read_exempt}});
}

void Loader::read_containers(Fields& fields, Name name, Value value) {
  const auto read_names = [&](Name key, Value list) {
    std::vector<std::string> names;
    const std::string item_name = fmt::format("an item of {}", key);
    const bool is_list = fields.read_list(key, list, [&](Value item) {
      if (const auto text = fields.read_string(item_name, item)) names.emplace_back(*text);
    });
    if (is_list) config_.containers.environment = std::move(names);
  };
  fields.read_mapping(
      name, value,
      {{"endpoints",
        [&](Name key, Value list) { read_paths(fields, key, list, config_.containers.endpoints); }},
       {"dockerEndpoints",
        [&](Name key, Value list) {
          read_paths(fields, key, list, config_.containers.docker_endpoints);
        }},
       {"environment", read_names},
       {"podLogs", [&](Name key, Value item) {
          if (const auto path = fields.read_path(key, item))
            config_.containers.pod_logs = std::string(*path);
        }}});
}

void Loader::read_log(Fields& fields, Name name, Value value) {
  Log& out = config_.log;
  fields.read_mapping(
      name, value,
      {{"level",
        [&](Name key, Value item) {
          fields.read_choice<LogLevel>(key, item,
                                       {{"debug", LogLevel::kDebug},
                                        {"info", LogLevel::kInfo},
                                        {"warning", LogLevel::kWarning},
                                        {"error", LogLevel::kError}},
                                       out.level);
        }},
       {"maxCommandLineBytes",
        [&](Name key, Value item) {
          fields.read_integer(key, item, 256, 32768, "", out.max_command_line_bytes);
        }},
       {"revealRules",
        [&](Name key, Value item) { fields.read_bool(key, item, out.reveal_rules); }}});
}

void Loader::read_metrics(Fields& fields, Name name, Value value) {
  const auto read_listen = [&](Name list_name, Value list) {
    std::vector<std::string> addresses;
    const std::string item_name = fmt::format("an item of {}", list_name);
    const bool is_list = fields.read_list(list_name, list, [&](Value item) {
      const auto text = fields.read_string(item_name, item);
      if (!text) return;
      if (const auto wrong = check_listen_address(*text)) {
        fields.error(item.position(),
                     fmt::format("{} {}, not {}", item_name, *wrong, show_value(*text)));
      } else if (std::find(addresses.begin(), addresses.end(), *text) != addresses.end()) {
        fields.error(item.position(),
                     fmt::format("{} is given twice: {}", item_name, show_value(*text)));
      } else {
        addresses.emplace_back(*text);
      }
    });
    if (is_list) config_.metrics.listen = std::move(addresses);
  };
  fields.read_mapping(
      name, value,
      {{"listen", read_listen},
       {"bpfStatistics",
        [&](Name key, Value item) { fields.read_bool(key, item, config_.metrics.bpf_statistics); }},
       {"details", [&](Name key, Value item) {
          fields.read_choice<MetricsDetails>(key, item,
                                             {{"none", MetricsDetails::kNone},
                                              {"loopback", MetricsDetails::kLoopback},
                                              {"all", MetricsDetails::kAll}},
                                             config_.metrics.details);
        }}});
}

void Loader::read_state(Fields& fields, Name name, Value value) {
  fields.read_mapping(name, value, {{"directory", [&](Name key, Value item) {
                                       const bool none = item.kind() == Document::Kind::kScalar &&
                                                         !is_null(item) && item.text().empty();
                                       if (none) return config_.state_directory.clear();
                                       if (const auto path = fields.read_path(key, item))
                                         config_.state_directory = std::string(*path);
                                     }}});
}

void Loader::read_pins(Fields& fields, Name name, Value value) {
  Pins& out = config_.pins;
  const auto read_directory = [&](Name key, Value item) {
    const bool none =
        item.kind() == Document::Kind::kScalar && !is_null(item) && item.text().empty();
    if (none) return out.directory.clear();
    const auto path = fields.read_path(key, item);
    if (!path) return;
    out.directory = std::string(*path);
  };
  fields.read_mapping(name, value,
                      {{"directory", read_directory},
                       {"onStop",
                        [&](Name key, Value item) {
                          fields.read_choice<bool>(key, item, {{"release", false}, {"keep", true}},
                                                   out.keep_on_stop);
                        }},
                       {"unattended", [&](Name key, Value item) {
                          fields.read_choice<bool>(key, item, {{"spare", false}, {"kill", true}},
                                                   out.unattended_kills);
                        }}});
}

void Loader::read_control(Fields& fields, Name name, Value value) {
  const auto read_socket = [&](Name key, Value item) {
    const bool none =
        item.kind() == Document::Kind::kScalar && !is_null(item) && item.text().empty();
    if (none) return config_.control.socket.clear();
    const auto path = fields.read_path(key, item);
    if (!path) return;
    if (path->size() > kMaxSocketPath) {
      fields.error(item.position(),
                   fmt::format("{} must have at most {} bytes", key, kMaxSocketPath));
      return;
    }
    config_.control.socket = *path;
  };
  fields.read_mapping(name, value, {{"socket", read_socket}});
}

}  // namespace

LoadResult load_files(const std::vector<std::string>& paths, const LoadOptions& options) {
  Loader loader(options);
  if (!paths.empty()) {
    for (const std::string& path : expand_directories(paths)) loader.add_file(path);
    if (!options.overrides.empty()) loader.add_text("command line", options.overrides);
    return loader.finish();
  }
  loader.add_text("default", kDefaultConfig);
  if (!options.overrides.empty()) loader.add_text("command line", options.overrides);
  LoadResult result = loader.finish();
  if (!result) return result;
  if (result->config.files.size() == 1) result->config.files.clear();
  for (RuleGroup& group : result->config.execwhacker.groups) {
    for (RuleText& rule : group.banned_strings) rule.origin = {};
  }
  return result;
}

LoadResult load_text(std::string_view name, std::string_view text) {
  Loader loader;
  loader.add_text(name, text);
  return loader.finish();
}

}  // namespace cryptnono::config
