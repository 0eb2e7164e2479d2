// Every metric: the only source of names, types, help texts and label values. docs/metrics.md is
// made from it.
//
// No label ever holds a command line, a rule, an address, a pod or a user: the users' Prometheus
// servers may be public. Label values are therefore listed here, all but the version's. Counters
// and histograms have all their series from the first scrape on, at 0, so that rate() sees the
// first increment.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace cryptnono::metrics {

enum class Type : std::uint8_t { kCounter, kGauge, kHistogram };

// In the order of the rows of kCatalog.
enum class Metric : std::uint8_t {
  kChecked,
  kKilled,
  kMissed,
  kAllowed,
  kUnexpectedErrors,
  kLogAndKillSeconds,
  kKillIfNeededSeconds,
  kMoneroKilled,
  kMoneroMissed,
  kMoneroSpared,
  kMoneroKillSeconds,
  kMoneroSuspects,
  kMoneroSamples,
  kMoneroRealTime,
  kMoneroHighestScore,
  kFlowChecked,
  kFlowKilled,
  kFlowMissed,
  kFlowLogAndKillSeconds,
  kFlowUnits,
  kFlowHooks,
  kLsmActive,
  kLsmRefused,
  kLsmSkipped,
  kDetectorEnabled,
  kDetectorUp,
  kCanarySuccessful,
  kCanaryRuns,
  kCanaryTimestamp,
  kCanarySeconds,
  kDetectorKilled,
  kDetectorMissed,
  kDetectorSpared,
  kKillLatency,
  kReported,
  kRefused,
  kProtected,
  kLimitSuppressed,
  kLimitTargets,
  kLimitReached,
  kKillFailed,
  kEventsLost,
  kRulesLoaded,
  kReloadSuccessful,
  kReloadTimestamp,
  kReloads,
  kGeneration,
  kPinned,
  kUnattendedSeconds,
  kTakenOver,
  kGuardActive,
  kGuardRefused,
  kScanSeconds,
  kDecisionSeconds,
  kLogLinesDropped,
  kCgroups,
  kContainerLookups,
  kResponses,
  kResponseKilled,
  kResponsesFailed,
  kGroupReportsFirst,
  kGroupCleanSeconds,
  kGroupWouldHaveKilled,
  kWebhookDeliveries,
  kWebhookRetries,
  kBpfRunSeconds,
  kBpfRuns,
  kBpfStatisticsSeconds,
  kProcessCpu,
  kProcessResident,
  kProcessVirtual,
  kProcessStart,
  kProcessFds,
  kProcessMaxFds,
  kBuildInfo,
  kCount
};

struct Label {
  std::string_view name;
  std::span<const std::string_view> values;  // empty: not known before the build
};

struct Description {
  std::string_view name;
  Type type;
  std::span<const Label> labels;
  std::string_view help;
};

namespace values {
// The values of `source` and `allowedby` are the predecessor's: users' dashboards select by them.
inline constexpr std::array<std::string_view, 2> kSource{"execwhacker.bpf", "psutil.process_iter"};
inline constexpr std::array<std::string_view, 3> kAllowedBy{"is-substring", "allowed-pattern",
                                                            "no-match"};
inline constexpr std::array<std::string_view, 3> kDetector{"execwhacker", "monero",
                                                           "tcpflowkiller"};
// survived: it did not die; untold: it died, and no event told of it; failed: it could not be run.
inline constexpr std::array<std::string_view, 4> kCanaryResult{"success", "survived", "untold",
                                                               "failed"};
inline constexpr std::array<std::string_view, 2> kReason{"banned-ip", "scan"};
inline constexpr std::array<std::string_view, 8> kLossReason{
    "events-ring-full", "decisions-ring-full", "recursion",      "unreadable-arguments",
    "threads-full",     "scan-table-full",     "scan-contended", "pending-table-full"};
inline constexpr std::array<std::string_view, 4> kRuleKind{"banned", "allowed-pattern",
                                                           "allowed-executable", "allowed-address"};
inline constexpr std::array<std::string_view, 4> kCgroupKind{"container", "pod", "protected",
                                                             "unclassified"};
inline constexpr std::array<std::string_view, 4> kLookupResult{"found", "unknown", "failed",
                                                               "dropped"};
inline constexpr std::array<std::string_view, 2> kResponse{"kill-tree", "kill-container"};
inline constexpr std::array<std::string_view, 2> kResponseFailure{"failed", "dropped"};
inline constexpr std::array<std::string_view, 2> kTakenOverResult{"read", "dropped"};
// process: a signal, ptrace, a limit, scheduling; object: a map, a program, a link.
inline constexpr std::array<std::string_view, 3> kGuardTarget{"process", "object", "pin"};
inline constexpr std::array<std::string_view, 2> kReloadResult{"success", "failure"};
inline constexpr std::array<std::string_view, 4> kDeliveryResult{
    "sent", "refused", "dropped-queue-full", "dropped-gave-up"};
// Programs of the kernel side that the kernel runs by itself.
inline constexpr std::array<std::string_view, 10> kProgram{
    "exec_match",    "exec_refuse",   "fpu_sample", "flow_connect4", "flow_connect6",
    "flow_sendmsg4", "flow_sendmsg6", "flow_state", "flow_refuse",   "cgroup_made"};
}  // namespace values

namespace labels {
inline constexpr std::span<const Label> kNone;
inline constexpr std::array<Label, 1> kSource{{{"source", values::kSource}}};
inline constexpr std::array<Label, 1> kReason{{{"reason", values::kReason}}};
inline constexpr std::array<Label, 2> kAllowed{
    {{"source", values::kSource}, {"allowedby", values::kAllowedBy}}};
inline constexpr std::array<Label, 1> kDetector{{{"detector", values::kDetector}}};
inline constexpr std::array<Label, 2> kCanary{
    {{"detector", values::kDetector}, {"result", values::kCanaryResult}}};
inline constexpr std::array<Label, 1> kProgram{{{"program", values::kProgram}}};
inline constexpr std::array<Label, 2> kLoss{
    {{"detector", values::kDetector}, {"reason", values::kLossReason}}};
inline constexpr std::array<Label, 2> kRules{
    {{"detector", values::kDetector}, {"kind", values::kRuleKind}}};
inline constexpr std::array<Label, 1> kTakenOver{{{"result", values::kTakenOverResult}}};
inline constexpr std::array<Label, 1> kGuard{{{"target", values::kGuardTarget}}};
inline constexpr std::array<Label, 1> kReload{{{"result", values::kReloadResult}}};
inline constexpr std::array<Label, 1> kCgroupKind{{{"kind", values::kCgroupKind}}};
inline constexpr std::array<Label, 1> kLookup{{{"result", values::kLookupResult}}};
inline constexpr std::array<Label, 1> kResponse{{{"response", values::kResponse}}};
inline constexpr std::array<Label, 1> kResponseFailure{{{"reason", values::kResponseFailure}}};
inline constexpr std::array<Label, 1> kDelivery{{{"result", values::kDeliveryResult}}};
inline constexpr std::array<Label, 1> kGroup{{{"group", {}}}};
inline constexpr std::array<Label, 1> kVersion{{{"version", {}}}};
}  // namespace labels

inline constexpr std::array<Description, static_cast<std::size_t>(Metric::kCount)> kCatalog{{
    {"cryptnono_execwhacker_processes_checked_total", Type::kCounter, labels::kSource,
     "Processes whose command line was checked"},
    {"cryptnono_execwhacker_processes_killed_total", Type::kCounter, labels::kSource,
     "Processes killed"},
    {"cryptnono_execwhacker_processes_missed_total", Type::kCounter, labels::kSource,
     "Processes that ended before they could be killed"},
    {"cryptnono_execwhacker_processes_allowed_total", Type::kCounter, labels::kAllowed,
     "Processes let live, by reason"},
    {"cryptnono_execwhacker_unexpected_errors_total", Type::kCounter, labels::kNone,
     "Kills that the kernel refused, and other errors"},
    {"cryptnono_execwhacker_log_and_kill_execution_seconds", Type::kHistogram, labels::kNone,
     "Time from the verdict of user space to its signal"},
    {"cryptnono_execwhacker_kill_if_needed_execution_seconds", Type::kHistogram, labels::kNone,
     "Time from exec to the verdict, where user space decides"},
    {"cryptnono_monero_processes_killed_total", Type::kCounter, labels::kNone,
     "Processes killed because they ran RandomX"},
    {"cryptnono_monero_processes_missed_total", Type::kCounter, labels::kNone,
     "Processes that ended before they could be killed"},
    {"cryptnono_monero_processes_spared_total", Type::kCounter, labels::kNone,
     "Processes that used all four rounding modes and were not taken for RandomX, or are exempt"},
    {"cryptnono_monero_kill_seconds", Type::kHistogram, labels::kNone,
     "Time from the first sample in a directed rounding mode to the kill"},
    {"cryptnono_monero_suspects", Type::kGauge, labels::kNone,
     "Processes that show directed rounding modes"},
    {"cryptnono_monero_samples_total", Type::kCounter, labels::kNone,
     "Samples of rounding modes that were counted"},
    {"cryptnono_monero_real_time", Type::kGauge, labels::kNone,
     "1 if active sampling runs at real-time priority; 0: it preempts suspects less surely"},
    {"cryptnono_monero_highest_spared_score", Type::kGauge, labels::kNone,
     "Highest evidence score of a process that was not taken for RandomX (docs/randomx.md)"},
    {"cryptnono_flowkiller_connects_checked_total", Type::kCounter, labels::kNone,
     "Connects, and datagrams to an address, that were checked"},
    {"cryptnono_flowkiller_processes_killed_total", Type::kCounter, labels::kReason,
     "Processes killed"},
    {"cryptnono_flowkiller_processes_missed_total", Type::kCounter, labels::kReason,
     "Processes that ended before they could be killed"},
    {"cryptnono_flowkiller_log_and_kill_execution_seconds", Type::kHistogram, labels::kNone,
     "Time from the connect to the signal, or from the verdict where user space makes it"},
    {"cryptnono_flowkiller_counted_units", Type::kGauge, labels::kNone,
     "Processes, sessions or containers whose destinations are counted"},
    {"cryptnono_flowkiller_hooks", Type::kGauge, labels::kNone,
     "2: connects are refused and killed in the kernel; 1: refused, and killed by user space; 0: "
     "killed, but a SYN leaves"},
    {"cryptnono_lsm_active", Type::kGauge, labels::kDetector,
     "1 if programs of BPF LSM refuse what is banned as well: an exec before the new program is "
     "there, a connect"},
    {"cryptnono_lsm_refused_total", Type::kCounter, labels::kDetector,
     "Processes killed by them, of those killed"},
    {"cryptnono_lsm_skipped_total", Type::kCounter, labels::kDetector,
     "Execs that they could not read and left to the other hook"},
    {"cryptnono_detector_enabled", Type::kGauge, labels::kDetector,
     "1 if the configuration wants the detector"},
    {"cryptnono_detector_up", Type::kGauge, labels::kDetector,
     "1 if the detector is enabled, its hook is attached, and its last canary died"},
    {"cryptnono_canary_successful", Type::kGauge, labels::kDetector,
     "1 if the last canary was detected and died in time; absent where none can be run"},
    {"cryptnono_canary_runs_total", Type::kCounter, labels::kCanary,
     "Canaries run, by what became of them"},
    {"cryptnono_canary_last_success_timestamp_seconds", Type::kGauge, labels::kDetector,
     "When a canary last died in time"},
    {"cryptnono_canary_duration_seconds", Type::kGauge, labels::kDetector,
     "How long the last canary lived"},
    {"cryptnono_processes_killed_total", Type::kCounter, labels::kDetector,
     "Processes killed, of every source and for every reason"},
    {"cryptnono_processes_missed_total", Type::kCounter, labels::kDetector,
     "Processes that ended before they could be killed"},
    {"cryptnono_processes_spared_total", Type::kCounter, labels::kDetector,
     "Processes that a rule hit and an exception let live"},
    {"cryptnono_kill_latency_seconds", Type::kHistogram, labels::kDetector,
     "Time from the exec, the connect or the first suspicious sample to the signal; of what a scan "
     "found, from when it did"},
    {"cryptnono_processes_reported_total", Type::kCounter, labels::kDetector,
     "Processes that would have been killed but for the mode"},
    {"cryptnono_processes_refused_total", Type::kCounter, labels::kDetector,
     "Processes not touched because they are the daemon's own or out of scope"},
    {"cryptnono_processes_protected_total", Type::kCounter, labels::kDetector,
     "Processes not touched because the configuration protects them"},
    {"cryptnono_limit_suppressed_total", Type::kCounter, labels::kDetector,
     "Processes not killed because of the blast-radius limit"},
    {"cryptnono_limit_targets", Type::kGauge, labels::kDetector,
     "Targets that count towards the blast-radius limit at present; the highest of its groups"},
    {"cryptnono_limit_reached", Type::kGauge, labels::kDetector,
     "1 if the blast-radius limit is used up: no further container or user is acted on"},
    {"cryptnono_kills_failed_total", Type::kCounter, labels::kDetector,
     "Kills that the kernel refused"},
    {"cryptnono_events_lost_total", Type::kCounter, labels::kLoss,
     "Events of the kernel side that were lost"},
    {"cryptnono_rules_loaded", Type::kGauge, labels::kRules, "Rules in force"},
    {"cryptnono_config_last_reload_successful", Type::kGauge, labels::kNone,
     "1 if the last attempt to load the configuration succeeded"},
    {"cryptnono_config_last_reload_success_timestamp_seconds", Type::kGauge, labels::kNone,
     "When the configuration in force was loaded"},
    {"cryptnono_config_reloads_total", Type::kCounter, labels::kReload,
     "Attempts to load the configuration"},
    {"cryptnono_config_generation", Type::kGauge, labels::kNone,
     "Generation of the rules in force"},
    {"cryptnono_pinned", Type::kGauge, labels::kNone,
     "1 if enforcement at exec and connect outlives this daemon"},
    {"cryptnono_unattended_seconds", Type::kGauge, labels::kNone,
     "How long the kernel side that this daemon took over was without a daemon"},
    {"cryptnono_taken_over_records_total", Type::kCounter, labels::kTakenOver,
     "Events that an earlier daemon's kernel side left; dropped: of another version's form"},
    {"cryptnono_guard_active", Type::kGauge, labels::kNone,
     "1 if containers are kept from tampering with the daemon and what it has in the kernel"},
    {"cryptnono_guard_refused_total", Type::kCounter, labels::kGuard,
     "Attempts of containers that were refused: on the daemon's process, its BPF objects, its "
     "pins"},
    {"cryptnono_scan_duration_seconds", Type::kGauge, labels::kDetector,
     "Duration of the last scan of all processes"},
    {"cryptnono_exec_decision_seconds", Type::kHistogram, labels::kNone,
     "Time from exec to the signal or to sparing, where user space decides"},
    {"cryptnono_log_lines_dropped_total", Type::kCounter, labels::kNone,
     "Log lines dropped because nobody read them"},
    {"cryptnono_cgroups", Type::kGauge, labels::kCgroupKind,
     "Cgroups by what they are; unclassified: of pods that may be protected, which neither the "
     "kubelet nor the runtime has said yet"},
    {"cryptnono_container_lookups_total", Type::kCounter, labels::kLookup,
     "Questions to container runtimes; dropped: not asked, because too many waited"},
    {"cryptnono_responses_total", Type::kCounter, labels::kResponse,
     "Trees and containers killed after a kill"},
    {"cryptnono_response_processes_killed_total", Type::kCounter, labels::kNone,
     "Processes killed with them"},
    {"cryptnono_responses_failed_total", Type::kCounter, labels::kResponseFailure,
     "Trees and containers of which something lives; dropped: too many waited"},
    {"cryptnono_group_reports_first", Type::kGauge, labels::kGroup,
     "1 if the group of rules only reports as yet (reportFirst); 0: it did, and its action holds"},
    {"cryptnono_group_clean_seconds", Type::kGauge, labels::kGroup,
     "For how long it would have killed nothing, while it reports first"},
    {"cryptnono_group_would_have_killed_total", Type::kCounter, labels::kGroup,
     "Processes that it would have killed, had it not reported first"},
    {"cryptnono_webhook_deliveries_total", Type::kCounter, labels::kDelivery,
     "Events for the webhook, by what became of them"},
    {"cryptnono_webhook_retries_total", Type::kCounter, labels::kNone,
     "Deliveries to the webhook that were tried again"},
    {"cryptnono_bpf_run_seconds_total", Type::kCounter, labels::kProgram,
     "Time that programs of the kernel side ran, while the kernel's statistics were on"},
    {"cryptnono_bpf_runs_total", Type::kCounter, labels::kProgram,
     "How often they ran, while the kernel's statistics were on"},
    {"cryptnono_bpf_statistics_seconds_total", Type::kCounter, labels::kNone,
     "For how long the kernel's statistics were on"},
    {"process_cpu_seconds_total", Type::kCounter, labels::kNone,
     "Total user and system CPU time spent in seconds."},
    {"process_resident_memory_bytes", Type::kGauge, labels::kNone,
     "Resident memory size in bytes."},
    {"process_virtual_memory_bytes", Type::kGauge, labels::kNone, "Virtual memory size in bytes."},
    {"process_start_time_seconds", Type::kGauge, labels::kNone,
     "Start time of the process since unix epoch in seconds."},
    {"process_open_fds", Type::kGauge, labels::kNone, "Number of open file descriptors."},
    {"process_max_fds", Type::kGauge, labels::kNone, "Maximum number of open file descriptors."},
    {"cryptnono_build_info", Type::kGauge, labels::kVersion, "1; the version is in the label"},
}};

constexpr const Description& describe(Metric metric) {
  return kCatalog[static_cast<std::size_t>(metric)];
}

}  // namespace cryptnono::metrics
