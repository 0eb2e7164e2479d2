#include "app/rollout.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/hmac.h"
#include "config/actions.h"

namespace cryptnono::app {

namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kDayNs = kSecondNs * 3600 * 24;

// A group as the configuration has it: in one list for its strings, in another for its addresses.
struct Found {
  config::ReportFirst first;
  config::Action action = config::Action::kKill;
  std::string key;
  std::vector<std::string> rules;
};

void add_rules(const config::RuleGroup& group, std::vector<std::string>& out) {
  for (const config::RuleText& each : group.banned_strings) out.push_back("w" + each.text);
  for (const config::RuleText& each : group.banned_substrings) out.push_back("s" + each.text);
}

std::string text_of(const config::AddressRange& range) {
  std::string out = "a";
  out.append(range.first.begin(), range.first.end()).append(range.last.begin(), range.last.end());
  return out + std::to_string(range.port);
}

// Not to be told from any other by whoever has no key; the order of rules does not matter.
std::string content_of(Found found) {
  std::sort(found.rules.begin(), found.rules.end());
  std::string text =
      std::to_string(found.first.until) + " " + std::to_string(found.first.clean_days);
  for (const std::string& rule : found.rules) text.append(1, '\0').append(rule);
  return hmac_sha256_hex(found.key, text);
}

std::map<std::string, Found> groups_of(const config::Config& config) {
  std::map<std::string, Found> out;
  const auto entry = [&](const auto& group, config::Action detectors) -> Found& {
    Found& found = out[group.name];
    found.first = *group.report_first;
    found.action = std::max(found.action, group.action.value_or(detectors));
    found.key = group.id_key;
    return found;
  };
  for (const config::RuleGroup& group : config.execwhacker.groups) {
    if (group.report_first) add_rules(group, entry(group, config.execwhacker.action).rules);
  }
  const config::Tcpflowkiller& flow = config.tcpflowkiller;
  for (const config::AddressGroup& group : flow.groups) {
    if (group.report_first) entry(group, flow.action);
  }
  for (const config::AddressRange& ban : flow.bans) {
    if (ban.group < flow.groups.size() && flow.groups[ban.group].report_first)
      out.at(flow.groups[ban.group].name).rules.push_back(text_of(ban));
  }
  return out;
}

}  // namespace

Rollout::Now Rollout::system_clock() {
  return {.unix_s = unix_time(), .boot_ns = clock_ns(CLOCK_BOOTTIME)};
}

Rollout::Rollout(Clock clock) : clock_(std::move(clock)), passed_ns_(clock_().boot_ns) {}

bool Rollout::enough(const Group& group, const Now& now) {
  const bool clean = group.time.over || group.clean_ns >= group.first.clean_days * kDayNs;
  return clean && now.unix_s >= static_cast<double>(group.first.until);
}

void Rollout::pass(const Now& now) {
  const std::uint64_t passed = elapsed_ns(now.boot_ns, passed_ns_);
  passed_ns_ = now.boot_ns;
  for (auto& [name, group] : groups_) {
    if (!group.reports) continue;
    group.clean_ns += passed;
    if (group.clean_ns >= group.first.clean_days * kDayNs) group.time.over = true;
  }
}

// What is known of a group with this content.
Rollout::Group Rollout::carried_over(const std::string& name, Group group) const {
  if (const auto same = groups_.find(name);
      same != groups_.end() && same->second.time.content == group.time.content) {
    group.time.over = same->second.time.over;
    group.clean_ns = same->second.clean_ns;
    group.would = same->second.would;
    group.last_would = same->second.last_would;
    return group;
  }
  if (const auto same = known_.find(name);
      same != known_.end() && same->second.content == group.time.content) {
    group.time.over = same->second.over;
    const std::uint64_t most = std::uint64_t{group.first.clean_days} * kDayNs / kSecondNs;
    group.clean_ns = std::min(same->second.clean_s, most) * kSecondNs;
  }
  return group;
}

std::vector<std::string> Rollout::decide(config::Config& config) {
  const std::map<std::string, Found> found = groups_of(config);
  std::vector<std::string> warnings;
  const std::string& directory = config.state_directory;
  const Now now = clock_();
  const std::lock_guard file_lock(file_mutex_);
  if (!found.empty() && !directory.empty() && directory_ != directory) {
    directory_ = directory;
    Result<RolloutState> state = read_state(directory, now.unix_s);
    if (state)
      known_ = *std::move(state);
    else
      warnings.push_back(state.error().message +
                         "; the clean days of groups that report first begin anew");
  }
  if (directory.empty()) directory_.reset();

  const std::lock_guard lock(mutex_);
  pass(now);
  next_.clear();
  for (const auto& [name, each] : found) {
    Group group = carried_over(
        name, {.time = {.content = content_of(each)}, .first = each.first, .action = each.action});
    group.reports = !enough(group, now);
    next_[name] = std::move(group);
  }
  for (config::RuleGroup& group : config.execwhacker.groups) {
    if (!group.report_first || !next_.at(group.name).reports) continue;
    group.would = group.action.value_or(config.execwhacker.action);
    group.action = config::Action::kReport;
  }
  // Of those that are left Flow reports.
  for (config::AddressGroup& group : config.tcpflowkiller.groups) {
    if (group.report_first && !next_.at(group.name).reports) group.report_first.reset();
  }
  return warnings;
}

std::vector<status::Rollout> Rollout::use() {
  const Now now = clock_();
  std::vector<status::Rollout> ended;
  const std::lock_guard lock(mutex_);
  pass(now);
  for (auto& [name, group] : next_) {
    const auto before = groups_.find(name);
    const bool same = before != groups_.end() && before->second.time.content == group.time.content;
    if (same && before->second.reports && !group.reports)
      ended.push_back(state_of(name, group, now));
    // Since decide().
    if (same) group = carried_over(name, std::move(group));
  }
  groups_ = next_;
  for (const auto& [name, group] : groups_) totals_.try_emplace(name, 0);
  asked_ns_.reset();
  return ended;
}

bool Rollout::tick() {
  const Now now = clock_();
  const std::lock_guard lock(mutex_);
  pass(now);
  const bool ends = std::any_of(groups_.begin(), groups_.end(), [&](const auto& each) {
    return each.second.reports && enough(each.second, now);
  });
  if (!ends || (asked_ns_ && elapsed_ns(now.boot_ns, *asked_ns_) < kRetryS * kSecondNs))
    return false;
  asked_ns_ = now.boot_ns;
  return true;
}

int Rollout::wait_ms() const {
  const Now now = clock_();
  const std::lock_guard lock(mutex_);
  double wait_s = -1;
  for (const auto& [name, group] : groups_) {
    if (!group.reports) continue;
    const double until = static_cast<double>(group.first.until) - now.unix_s;
    const std::uint64_t needed = group.time.over ? 0 : group.first.clean_days * kDayNs;
    const std::uint64_t clean = group.clean_ns + elapsed_ns(now.boot_ns, passed_ns_);
    double left = std::max(until, static_cast<double>(elapsed_ns(needed, clean)) / 1e9);
    // What should have ended waits for a configuration that can be loaded.
    if (left <= 0 && asked_ns_) left = kRetryS - seconds_between(*asked_ns_, now.boot_ns);
    left = std::clamp(left, 0.0, static_cast<double>(kSaveEveryS));
    wait_s = wait_s < 0 ? left : std::min(wait_s, left);
  }
  return wait_s < 0 ? -1 : static_cast<int>(std::ceil(wait_s * 1000));
}

Result<void> Rollout::save(bool now) {
  const std::lock_guard file_lock(file_mutex_);
  RolloutState state;
  const Now time = clock_();
  {
    const std::lock_guard lock(mutex_);
    pass(time);
    for (const auto& [name, group] : groups_) {
      if (group.first.clean_days == 0) continue;
      state[name] = group.time;
      state[name].clean_s = group.clean_ns / kSecondNs;
    }
  }
  const bool due = now || elapsed_ns(time.boot_ns, saved_ns_) >= kSaveEveryS * kSecondNs;
  if (!directory_ || !due || state == known_) return {};
  saved_ns_ = time.boot_ns;
  Result<void> saved = write_state(*directory_, state, time.unix_s);
  if (saved) {
    known_ = std::move(state);
    save_error_.clear();
  } else if (std::exchange(save_error_, saved.error().message) != saved.error().message) {
    return saved;
  }
  return {};
}

void Rollout::would_have_killed(std::string_view name) {
  const Now now = clock_();
  {
    const std::lock_guard lock(mutex_);
    const auto found = groups_.find(name);
    if (found == groups_.end() || !found->second.reports) return;
    pass(now);
    Group& group = found->second;
    group.clean_ns = 0;
    group.time.over = false;
    ++group.would;
    ++totals_[found->first];
    group.last_would = now.unix_s;
  }
  if (claims_too_much(name)) static_cast<void>(save(true));
}

// The file says that the group has been clean, which it has not.
bool Rollout::claims_too_much(std::string_view name) {
  const std::lock_guard lock(file_mutex_);
  const auto known = known_.find(std::string(name));
  return known != known_.end() && (known->second.over || known->second.clean_s > 0);
}

status::Rollout Rollout::state_of(const std::string& name, const Group& group,
                                  const Now& now) const {
  const std::uint64_t clean =
      group.clean_ns + (group.reports ? elapsed_ns(now.boot_ns, passed_ns_) : 0);
  return {.group = name,
          .would = std::string(config::action_word(group.action)),
          .reports = group.reports,
          .until = group.first.until,
          .clean_days = group.first.clean_days,
          .clean_s = clean / kSecondNs,
          .would_have_killed = group.would,
          .last_would_at = static_cast<std::int64_t>(group.last_would)};
}

void Rollout::collect(metrics::Exposition& out) const {
  using metrics::Metric;
  const std::vector<status::Rollout> all = states();
  for (const status::Rollout& each : all)
    out.add(Metric::kGroupReportsFirst, {each.group}, std::uint64_t{each.reports ? 1U : 0U});
  for (const status::Rollout& each : all)
    out.add(Metric::kGroupCleanSeconds, {each.group}, each.clean_s);
  const std::lock_guard lock(mutex_);
  for (const auto& [name, count] : totals_) out.add(Metric::kGroupWouldHaveKilled, {name}, count);
}

std::vector<status::Rollout> Rollout::states() const {
  const Now now = clock_();
  const std::lock_guard lock(mutex_);
  std::vector<status::Rollout> out;
  for (const auto& [name, group] : groups_) out.push_back(state_of(name, group, now));
  return out;
}

}  // namespace cryptnono::app
