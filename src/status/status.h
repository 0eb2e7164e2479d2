// Status: what an operator is told about one daemon, as plain data. docs/status.md describes its
// JSON form, field by field, in the same names.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cryptnono::status {

// Times are Unix times in seconds; 0: never.

struct Canary {
  std::string result = "off";  // a word of canary::result_word
  std::int64_t at = 0;         // of the last run
  std::int64_t passed_at = 0;  // of the last one that passed
  double lived_ms = 0;
  std::string why;
};

// Of processes, since the start.
struct Counts {
  std::uint64_t checked = 0;
  std::uint64_t killed = 0;
  std::uint64_t reported = 0;    // would have been killed but for the mode or the limit
  std::uint64_t spared = 0;      // a rule hit, and an exception let it live
  std::uint64_t protects = 0;    // "protected": not touched because the configuration protects it
  std::uint64_t missed = 0;      // ended before it could be killed
  std::uint64_t failed = 0;      // the kernel refused
  std::uint64_t suppressed = 0;  // not killed because of the limit
};

// The blast-radius limit.
struct Limit {
  std::optional<std::uint64_t> targets;  // that count at present; nothing: not known
  std::uint32_t max_targets = 0;
  std::uint32_t window_s = 0;
  bool reached = false;
};

struct Detector {
  std::string name;
  bool enabled = false;  // the configuration wants it
  bool up = false;       // enabled, its hook attached, and nothing speaks against it
  // The kernel or the privileges do not let it run; then `why` says why. Not in the JSON form.
  bool unavailable = false;
  std::string hook;                            // in words, what is in force
  std::string why;                             // not up, or less than it could be: why, in words
  std::map<std::string, std::uint64_t> rules;  // kind -> in force
  Canary canary;
  Counts counts;
  std::map<std::string, std::uint64_t> lost;  // reason -> events of the kernel side
  Limit limit;
};

// Something that this machine does not give.
struct Missing {
  std::string what;
  std::string effect;
  std::string remedy;
  std::string why;  // what the kernel said, perhaps ""
};

// Who was killed: text of strangers.
struct Who {
  std::string cmdline;  // quoted as for a shell, cut
  std::int64_t pid = 0;
  std::uint32_t uid = 0;
  std::string executable;
  // "": not known, or none.
  std::string pod_namespace{}, pod{}, container{}, image{};
};

struct Kill {
  double at = 0;
  std::string detector;
  std::string action;  // as in the log: killed, reported, limited, failed, missed-kill
  std::string rule;    // its name, not its text
  std::optional<double> latency_us;
  Who who;
};

// Increments per step, the oldest first.
struct Series {
  std::vector<std::uint64_t> killed, reported, lost;
};

struct History {
  std::uint32_t step_s = 10;
  std::int64_t until = 0;                // the end of the last step, which may be still to come
  std::map<std::string, Series> series;  // by detector
};

// A group of rules that reports first.
struct Rollout {
  std::string group;
  std::string would;             // the action that it is on the way to, in the configuration's word
  bool reports = false;          // it still does
  std::int64_t until = 0;        // not before; 0: no date
  std::uint32_t clean_days = 0;  // that it must have; 0: none
  std::uint64_t clean_s = 0;     // that it has so far
  std::uint64_t would_have_killed = 0;
  std::int64_t last_would_at = 0;
};

struct Configuration {
  std::uint32_t generation = 0;
  std::int64_t loaded_at = 0;  // the one in force
  bool last_reload_ok = true;
  std::vector<std::string> last_reload_errors;
  std::vector<std::string> files;
  bool dry_run = false;
  std::size_t scope_cgroups = 0;  // 0: the whole host
};

struct Status {
  std::string version, node, kernel;
  double now = 0;
  std::int64_t started_at = 0;
  double uptime_s = 0;
  std::vector<std::string> not_ready;  // empty: ready
  Configuration config;
  std::vector<Detector> detectors;
  std::vector<Missing> missing;
  std::vector<Kill> kills;  // the newest first
  std::vector<Rollout> rollouts;
  History history;
  bool details = false;  // `who` of the kills is told
};

// Why a daemon with these detectors is not ready, in words, one reason each; empty: it is. It is if
// it has started, no detector's canary is to come yet or has shown that the detector does not work,
// and what the configuration wants is not all unavailable here.
std::vector<std::string> reasons_not_ready(bool started, const std::vector<Detector>& detectors);

}  // namespace cryptnono::status
