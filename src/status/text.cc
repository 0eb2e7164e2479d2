#include "status/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <numeric>
#include <string_view>
#include <vector>

#include "base/timestamp.h"
#include "status/screen.h"

namespace cryptnono::status {

namespace {

// Columns on the left: of "  tcpflowkiller" and a space.
constexpr std::size_t kLeft = 16;

std::string ago(double now, double then) {
  if (then <= 0) return "never";
  return duration_text(std::max(0.0, now - then)) + " ago";
}

// "6120 banned, 2 allowed-pattern", without those at 0; "" if all are.
std::string list_of(const std::map<std::string, std::uint64_t>& numbers) {
  std::string out;
  for (const auto& [name, number] : numbers) {
    if (number == 0) continue;
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", number, name);
  }
  return out;
}

std::uint64_t sum_of(const std::map<std::string, std::uint64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& each) { return sum + each.second; });
}

Style style_of(const Detector& detector) {
  if (!detector.enabled) return Style::kDim;
  return detector.up ? Style::kGood : Style::kBad;
}

std::string_view state_of(const Detector& detector) {
  if (!detector.enabled) return "off";
  return detector.up ? "up" : "DOWN";
}

std::string canary_of(const Detector& detector, double now) {
  const Canary& canary = detector.canary;
  if (canary.at == 0) return canary.result;
  return canary.result + " " + ago(now, static_cast<double>(canary.at));
}

Style style_of(const Canary& canary) {
  if (canary.result == "passed") return Style::kGood;
  if (canary.result == "survived" || canary.result == "untold" || canary.result == "failed")
    return Style::kBad;
  return Style::kPlain;
}

std::string limit_of(const Limit& limit) {
  const std::string targets = limit.targets ? std::to_string(*limit.targets) : "-";
  return targets + "/" + std::to_string(limit.max_targets);
}

void add_head(const Status& status, Screen& screen) {
  const bool ready = status.not_ready.empty();
  screen.line()
      .add(ready ? "READY" : "NOT READY", ready ? Style::kGood : Style::kBad)
      .add("  " + status.node, Style::kBold)
      .add("  cryptnono " + status.version + ", kernel " + status.kernel + ", up " +
           duration_text(status.uptime_s));
  for (const std::string& reason : status.not_ready) screen.line().add("  " + reason, Style::kBad);
}

void add_detectors(const Status& status, Screen& screen) {
  screen.line();
  screen.line().add(
      fmt::format("{:<{}}{:<6}{:>8}{:>9}{:>7}{:>7}{:>7}{:>8}  {}", "Detectors", kLeft, "state",
                  "killed", "reported", "missed", "failed", "lost", "limit", "canary"),
      Style::kBold);
  for (const Detector& each : status.detectors) {
    const std::uint64_t lost = sum_of(each.lost);
    const auto number = [](std::uint64_t value, int width) {
      return fmt::format("{:>{}}", value, width);
    };
    const auto alarm = [](bool bad) { return bad ? Style::kBad : Style::kPlain; };
    screen.line()
        .add("  " + each.name, Style::kPlain, kLeft)
        .add(state_of(each), style_of(each), 6)
        .add(number(each.counts.killed, 8))
        .add(number(each.counts.reported, 9))
        .add(number(each.counts.missed, 7))
        .add(number(each.counts.failed, 7), alarm(each.counts.failed > 0))
        .add(number(lost, 7), alarm(lost > 0))
        .add(fmt::format("{:>8}", limit_of(each.limit)), alarm(each.limit.reached))
        .add("  " + canary_of(each, status.now), style_of(each.canary));
  }
}

// What stands behind the numbers.
void add_particulars(const Status& status, Screen& screen) {
  for (const Detector& each : status.detectors) {
    const auto line = [&](std::string_view what, const std::string& text, Style style) {
      if (text.empty()) return;
      screen.line()
          .add("  " + each.name, Style::kPlain, kLeft)
          .add(what, Style::kDim, 8)
          .add(text, style);
    };
    line("hook", each.hook, Style::kPlain);
    line("why", each.enabled ? each.why : "", each.up ? Style::kWarning : Style::kBad);
    line("rules", list_of(each.rules), Style::kPlain);
    line("lost", list_of(each.lost), Style::kBad);
    line("canary", each.canary.why, style_of(each.canary));
    if (each.limit.reached) {
      line("limit",
           fmt::format("used up: nothing new is acted on until it is below {} in {} s",
                       each.limit.max_targets, each.limit.window_s),
           Style::kBad);
    }
  }
}

void add_configuration(const Status& status, Screen& screen) {
  const Configuration& config = status.config;
  screen.line();
  ScreenLine& line = screen.line();
  line.add("Configuration", Style::kBold, kLeft)
      .add(fmt::format("generation {}, loaded {}", config.generation,
                       ago(status.now, static_cast<double>(config.loaded_at))));
  if (config.dry_run) line.add(", dry run: nothing is killed", Style::kWarning);
  if (config.scope_cgroups > 0) line.add(fmt::format(", {} cgroups only", config.scope_cgroups));
  const auto more = [&](std::string_view what, std::string_view text, Style style) {
    screen.line().add("", Style::kPlain, kLeft).add(what, Style::kDim, 8).add(text, style);
  };
  for (const std::string& file : config.files) more("file", file, Style::kPlain);
  if (config.last_reload_ok) return;
  more("reload", "the last one FAILED; what is above stays in force", Style::kBad);
  for (const std::string& error : config.last_reload_errors) more("error", error, Style::kBad);
}

void add_missing(const Status& status, Screen& screen) {
  if (status.missing.empty()) return;
  screen.line();
  screen.line().add("Missing", Style::kBold);
  for (const Missing& each : status.missing) {
    screen.line().add("  " + each.what, Style::kWarning).add(": " + each.effect);
    if (!each.why.empty()) screen.line().add("    reason  ", Style::kDim).add(each.why);
    screen.line().add("    remedy  ", Style::kDim).add(each.remedy);
  }
}

// "until 2026-12-24 00:00 UTC, and 2 h of 7 clean days", or "kill holds".
std::string rollout_words(const Rollout& rollout) {
  if (!rollout.reports) return "over: " + rollout.would;
  std::string out = "reports, then " + rollout.would;
  if (rollout.until != 0)
    out += ", not before " +
           timestamp(std::chrono::system_clock::time_point(std::chrono::seconds(rollout.until)));
  if (rollout.clean_days != 0)
    out += fmt::format(", clean for {} of {}", duration_text(static_cast<double>(rollout.clean_s)),
                       duration_text(rollout.clean_days * 86400.0));
  return out;
}

void add_rollouts(const Status& status, Screen& screen) {
  if (status.rollouts.empty()) return;
  screen.line();
  screen.line().add("Groups that report first", Style::kBold);
  for (const Rollout& each : status.rollouts) {
    screen.line().add("  " + each.group, Style::kPlain, kLeft).add(rollout_words(each));
    ScreenLine& line = screen.line();
    line.add("", Style::kPlain, kLeft)
        .add(fmt::format("would have killed {}", each.would_have_killed),
             each.would_have_killed == 0 ? Style::kDim : Style::kWarning);
    if (each.last_would_at != 0)
      line.add(", last " + ago(status.now, static_cast<double>(each.last_would_at)));
  }
}

void add_kills(const Status& status, std::size_t most, Screen& screen) {
  screen.line();
  const std::size_t shown = std::min(most, status.kills.size());
  screen.line()
      .add("Last kills", Style::kBold)
      .add(status.kills.empty()          ? "  none"
           : shown < status.kills.size() ? fmt::format("  {} of {}", shown, status.kills.size())
                                         : std::string());
  for (std::size_t i = 0; i < shown; ++i) {
    const Kill& kill = status.kills[i];
    const Who& who = kill.who;
    ScreenLine& line = screen.line();
    line.add("  " + ago(status.now, kill.at), Style::kPlain, kLeft)
        .add(kill.detector, Style::kPlain, kLeft)
        .add(kill.action, kill.action == "killed" ? Style::kPlain : Style::kWarning, 12)
        .add(kill.rule);
    if (kill.latency_us) line.add("  after " + duration_text(*kill.latency_us / 1e6));
    if (!status.details) continue;
    ScreenLine& where = screen.line();
    where.add("", Style::kPlain, kLeft).add(fmt::format("pid {}, uid {}", who.pid, who.uid));
    if (!who.pod.empty()) where.add(", pod " + who.pod_namespace + "/" + who.pod);
    if (!who.container.empty()) where.add(", container " + who.container);
    if (!who.image.empty()) where.add(", image " + who.image);
    screen.line().add("", Style::kPlain, kLeft).add(who.cmdline, Style::kDim);
  }
}

}  // namespace

std::string duration_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.3g} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.3g} ms", seconds * 1e3);
  struct Unit {
    double seconds;
    std::string_view name;
  };
  static constexpr std::array<Unit, 3> kUnits{{{60, "s"}, {3600, "min"}, {86400, "h"}}};
  double unit = 1;
  for (const Unit& each : kUnits) {
    if (seconds < each.seconds) return fmt::format("{} {}", std::floor(seconds / unit), each.name);
    unit = each.seconds;
  }
  const double days = std::floor(seconds / unit);
  return fmt::format("{} {}", days, days == 1 ? "day" : "days");
}

std::string status_text(const Status& status, const TextOptions& options) {
  Screen screen;
  add_head(status, screen);
  add_detectors(status, screen);
  add_particulars(status, screen);
  add_configuration(status, screen);
  add_missing(status, screen);
  add_rollouts(status, screen);
  add_kills(status, options.max_kills, screen);
  return screen.text(options.colour, options.columns, options.rows);
}

}  // namespace cryptnono::status
