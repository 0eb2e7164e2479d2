// Every metric: the only source of names, types and help texts. docs/metrics.md is checked against
// it.
//
// No label ever holds a command line, a rule, an address, a pod or a user: the users' Prometheus
// servers may be public.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace cryptnono::metrics {

enum class Type : std::uint8_t { kCounter, kGauge, kHistogram };

enum class Metric : std::uint8_t {
  kChecked,
  kKilled,
  kMissed,
  kAllowed,
  kUnexpectedErrors,
  kLogAndKillSeconds,
  kKillIfNeededSeconds,
  kDetectorUp,
  kReported,
  kRefused,
  kLimitSuppressed,
  kEventsLost,
  kRulesLoaded,
  kReloadSuccessful,
  kReloadTimestamp,
  kReloads,
  kGeneration,
  kScanSeconds,
  kDecisionSeconds,
  kLogLinesDropped,
  kBuildInfo,
  kCount
};

struct Description {
  std::string_view name;
  Type type;
  std::string_view labels;  // names, comma-separated
  std::string_view help;
};

inline constexpr std::array<Description, static_cast<std::size_t>(Metric::kCount)> kCatalog{{
    {"cryptnono_execwhacker_processes_checked_total", Type::kCounter, "source",
     "Processes whose command line was checked"},
    {"cryptnono_execwhacker_processes_killed_total", Type::kCounter, "source", "Processes killed"},
    {"cryptnono_execwhacker_processes_missed_total", Type::kCounter, "source",
     "Processes that ended before they could be killed"},
    {"cryptnono_execwhacker_processes_allowed_total", Type::kCounter, "source,allowedby",
     "Processes let live, by reason"},
    {"cryptnono_execwhacker_unexpected_errors_total", Type::kCounter, "",
     "Kills that the kernel refused, and other errors"},
    {"cryptnono_execwhacker_log_and_kill_execution_seconds", Type::kHistogram, "",
     "Time from the verdict of user space to its signal"},
    {"cryptnono_execwhacker_kill_if_needed_execution_seconds", Type::kHistogram, "",
     "Time from exec to the verdict, where user space decides"},
    {"cryptnono_detector_up", Type::kGauge, "detector", "1 if the detector's hook is attached"},
    {"cryptnono_processes_reported_total", Type::kCounter, "detector",
     "Processes that would have been killed but for the mode"},
    {"cryptnono_processes_refused_total", Type::kCounter, "detector",
     "Processes not touched because they are protected or out of scope"},
    {"cryptnono_limit_suppressed_total", Type::kCounter, "detector",
     "Processes not killed because of the blast-radius limit"},
    {"cryptnono_events_lost_total", Type::kCounter, "detector,reason",
     "Events of the kernel side that were lost"},
    {"cryptnono_rules_loaded", Type::kGauge, "detector,kind", "Rules in force"},
    {"cryptnono_config_last_reload_successful", Type::kGauge, "",
     "1 if the last attempt to load the configuration succeeded"},
    {"cryptnono_config_last_reload_success_timestamp_seconds", Type::kGauge, "",
     "When the configuration in force was loaded"},
    {"cryptnono_config_reloads_total", Type::kCounter, "result",
     "Attempts to load the configuration"},
    {"cryptnono_config_generation", Type::kGauge, "", "Generation of the rules in force"},
    {"cryptnono_scan_duration_seconds", Type::kGauge, "detector",
     "Duration of the last scan of all processes"},
    {"cryptnono_exec_decision_seconds", Type::kHistogram, "",
     "Time from exec to the signal or to sparing, where user space decides"},
    {"cryptnono_log_lines_dropped_total", Type::kCounter, "",
     "Log lines dropped because nobody read them"},
    {"cryptnono_build_info", Type::kGauge, "version", "1; the version is in the label"},
}};

constexpr const Description& describe(Metric metric) {
  return kCatalog[static_cast<std::size_t>(metric)];
}

}  // namespace cryptnono::metrics
