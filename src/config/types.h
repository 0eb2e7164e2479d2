// What a configuration says, as plain data. Filled by config/load.h; everybody else only reads it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cryptnono::config {

// Where a value stands: an index into Config::files, line and column from 1 (0: the embedded
// default, no file).
struct Origin {
  std::uint16_t file = 0;
  std::uint16_t column = 0;  // 65535: that column or later
  std::uint32_t line = 0;
};

struct RuleText {
  std::string text;  // as written; the matcher folds ASCII case
  Origin origin;
};

// Spares a banned command line whose executable *is* this file, whatever argv says. See
// docs/configuration.md for what "is" means (resolved path, owned by root, not writable by others).
struct AllowedExecutable {
  std::string path;  // absolute
  std::optional<std::string>
      pattern;  // RE2; if present, must match the shell-quoted command line too
  Origin origin;
};

// What happens to a process that is found, from the mildest to the harshest: each does what the one
// before does, and more. docs/configuration.md says exactly what.
enum class Action : std::uint8_t {
  kReport,        // nothing
  kKill,          // SIGKILL to the process
  kKillTree,      // and to the tree of processes that it is in
  kKillContainer  // and to all of its container
};

// The process dies.
constexpr bool kills(Action action) { return action != Action::kReport; }

// A group that only reports at first: until `until`, and until there have been so many clean days
// (of 24 hours, without anything that it would have killed), whichever is later. Then its action
// holds.
struct ReportFirst {
  std::int64_t until = 0;        // Unix time; 0: no date
  std::uint32_t clean_days = 0;  // 0: none are asked for

  bool operator==(const ReportFirst&) const = default;
};

// The rules of one named group, or those of a configuration file that are in none. The unit of the
// blast-radius limit.
struct RuleGroup {
  std::string name = {};     // its id, or the file's name without directory and extension
  std::string purpose = {};  // for people
  // The key (bytes) with which the rules' ids are made, config/rule_id.h; empty: a rule's id is its
  // place.
  std::string id_key = {};
  std::vector<RuleText> banned_strings;     // match as whole words
  std::vector<RuleText> banned_substrings;  // match anywhere; at least kMinSubstringLength bytes
  std::vector<RuleText>
      allowed_patterns;  // RE2, already translated from Python's syntax where that was needed
  // The same as they stand in the file, in the same order, for their ids. Shorter: the others are
  // as in `allowed_patterns`.
  std::vector<std::string> written_patterns = {};
  std::vector<AllowedExecutable> allowed_executables;
  std::optional<Action> action;  // instead of the detector's
  std::optional<ReportFirst> report_first;
  std::optional<Action> would = {};  // the action for which it reports first
};

// Shortest banned substring: shorter ones would stand in nearly every command line, and the
// in-kernel filter reads three bytes at a time.
inline constexpr std::size_t kMinSubstringLength = 3;
// Longest banned string or substring, in bytes: bounds what one rule may cost in the kernel's
// tables.
inline constexpr std::size_t kMaxRuleLength = 4096;

// A rule group that would hit more than `max_targets` distinct containers (outside containers:
// users) within `window_s` reports in new ones instead of killing.
struct Limit {
  std::uint32_t max_targets = 20;  // 1 to 64; 64 is the kernel side's ring size
  std::uint32_t window_s = 60;     // 1 to 3600
};

struct Execwhacker {
  bool enabled = true;
  Action action = Action::kKill;
  double scan_interval_s = 10;  // 0: no scan, not even at the start
  Limit limit;
  std::vector<RuleGroup> groups;
};

// RandomX, found by its floating-point rounding modes.
struct Monero {
  bool enabled = true;
  Action action = Action::kKill;
  bool active_sampling = true;  // make samples of suspects; else only those that come by themselves
  Limit limit;
  std::vector<std::string>
      exempt_executables;                   // absolute; must be root's, and only root's to write
  std::vector<std::string> exempt_cgroups;  // as Scope::exclude
};

inline constexpr std::uint16_t kNoGroup = 0xffff;

// Addresses from `first` to `last`: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d.
struct AddressRange {
  std::array<std::uint8_t, 16> first{};
  std::array<std::uint8_t, 16> last{};
  Origin origin;
  std::uint16_t port = 0;          // 0: every port
  std::uint16_t group = kNoGroup;  // of a ban: index into Tcpflowkiller::groups
};

// A named group as far as its addresses go; as RuleGroup.
struct AddressGroup {
  std::string name;
  std::string purpose;
  std::string id_key;
  std::optional<Action> action;
  std::optional<ReportFirst> report_first;
};

// Whose connects are counted together.
enum class CountPer : std::uint8_t { kProcess, kTree, kSession, kContainer };

// A scan: connects to more than `threshold` distinct (address, port) within `window_s`.
struct Scan {
  bool enabled = true;
  std::uint32_t threshold = 15;  // 1 to 127
  std::uint32_t window_s = 30;   // 1 to 3600
  CountPer per = CountPer::kProcess;
  bool only_failed = false;          // only destinations that did not answer
  bool udp = false;                  // UDP destinations too
  std::vector<AddressRange> ignore;  // never counted
};

// How far the kernel side goes with a connect, where the kernel allows it.
enum class ConnectHooks : std::uint8_t {
  kObserve,  // sees it happen and kills: its first packet leaves
  kRefuse,   // refuses it, and leaves the kill to user space
  kKill      // refuses it and kills
};

// Banned addresses and network scans.
struct Tcpflowkiller {
  bool enabled = false;
  Action action = Action::kKill;
  std::vector<AddressGroup> groups;    // at most kMaxAddressGroups (config/flow.h)
  std::string id_key;                  // as RuleGroup::id_key, for the bans of no group
  std::vector<AddressRange> bans;      // from the configuration, its groups, and the files
  std::vector<AddressRange> allowed;   // win over the bans
  std::vector<std::string> ban_files;  // paths, with wildcards
  std::vector<std::string> allow_files;
  Scan scan;
  ConnectHooks hooks = ConnectHooks::kKill;
  bool log_connects = false;
  Limit limit;
};

// A container (outside of containers: a user) in which `after` kills fell within `window_s` gets at
// least `action` from the last of them on.
struct Escalation {
  std::uint32_t after = 3;                 // 1 to 1000
  std::uint32_t window_s = 600;            // 1 to 86400
  Action action = Action::kKillContainer;  // or kKillTree
};

enum class Processes : std::uint8_t {
  kAuto,        // kContainers in a cluster, else kAll
  kContainers,  // those in containers, but for the node's own that only help there (runc init)
  kAll
};

// Whom the daemon may touch: processes in one of `cgroups` (empty: all of the host), less those in
// `exclude`.
struct Scope {
  Processes processes = Processes::kAuto;
  std::vector<std::string> cgroups;  // absolute directories below a cgroup v2 or v1 mount
  std::vector<std::string> exclude;
};

// Never touched, whatever it runs.
struct Protect {
  std::vector<std::string> namespaces{"kube-system"};  // of Kubernetes
  std::vector<std::string> pod_labels;                 // "key" or "key=value"
  std::vector<std::string> container_names;
  std::vector<std::string> executables;  // absolute; the file itself, whatever path leads to it
  std::vector<std::uint32_t> users;      // real user ids
  // What happens in a pod of which it is not known yet whether it is protected.
  Action unclassified = Action::kKill;
};

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

// As it is written in the configuration and in the log.
constexpr std::string_view level_word(LogLevel level) {
  constexpr std::array<std::string_view, 4> kWords{"debug", "info", "warning", "error"};
  return kWords.at(static_cast<std::size_t>(level));
}

struct Log {
  LogLevel level = LogLevel::kInfo;
  std::uint32_t max_command_line_bytes = 32768;  // longer ones are cut in the log, and marked
  // Lines and status show what was matched, and not only the rule's id.
  bool reveal_rules = false;
};

// Whom the runtimes are asked about, for the log.
struct Containers {
  std::vector<std::string> endpoints;         // sockets of the CRI; empty: the known ones
  std::vector<std::string> docker_endpoints;  // sockets of Docker; empty: the known ones
  std::vector<std::string> environment;       // variables that lines tell
  // Where the kubelet keeps a directory NAMESPACE_NAME_UID for each pod.
  std::string pod_logs = "/var/log/pods";
};

// Which peers are told who was killed.
enum class MetricsDetails : std::uint8_t { kNone, kLoopback, kAll };

struct Metrics {
  std::vector<std::string> listen;  // "address:port"; empty: no metrics server
  bool bpf_statistics = true;       // measure now and then what the kernel side costs
  MetricsDetails details = MetricsDetails::kNone;
};

inline constexpr std::string_view kDefaultControlSocket = "/run/cryptnono/control.sock";

// Where root may ask for all that there is to know.
struct Control {
  std::string socket{kDefaultControlSocket};  // absolute; empty: none
};

// Whom to tell of events, by HTTP.
struct Webhook {
  bool given = false;  // there is such a section
  std::string url;     // empty: nobody
  std::string secret;  // the content of secretFile; empty: no signature
  std::string ca_file;
  std::vector<std::string> actions{"killed"};
  std::uint32_t timeout_s = 5;  // 1 to 60

  bool operator==(const Webhook&) const = default;
};

// The daemon's proof of itself.
struct Canary {
  double interval_s = 300;  // 0: none; at most 86400
};

inline constexpr std::string_view kDefaultStateDirectory = "/var/lib/cryptnono";

inline constexpr std::string_view kDefaultPinDirectory = "/sys/fs/bpf/cryptnono";

// Enforcement that outlives the daemon.
struct Pins {
  std::string directory;          // in a BPF file system, absolute; empty: it ends with the daemon
  bool keep_on_stop = false;      // also an orderly end leaves it
  bool unattended_kills = false;  // what user space would decide dies while there is no daemon
};

// What containers may not do to the daemon, its BPF objects and its pins.
struct Guard {
  bool enabled = false;
};

struct Config {
  std::vector<std::string> files;  // paths as given, in order; then the lists of addresses
  bool dry_run = false;            // nothing is killed by anything; everything is reported
  Scope scope;
  Protect protect;
  Execwhacker execwhacker;
  Monero monero;
  Tcpflowkiller tcpflowkiller;
  // Kubernetes namespace -> what happens there, instead of what detector and group say.
  std::map<std::string, Action> namespace_actions;
  std::optional<Escalation> escalation;
  Containers containers;
  Log log;
  Metrics metrics;
  Canary canary;
  Control control;
  Webhook webhook;
  // Where the daemon remembers the clean days of groups that report first; empty: nowhere.
  std::string state_directory{kDefaultStateDirectory};
  Pins pins;
  Guard guard;
};

}  // namespace cryptnono::config
