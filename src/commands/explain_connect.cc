#include "commands/explain_connect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>

#include "base/clock.h"
#include "base/result.h"
#include "commands/rule_words.h"
#include "config/actions.h"
#include "config/address_range.h"
#include "detect/flow/flow_groups.h"
#include "detect/flow/flow_tables.h"

namespace cryptnono::commands {

namespace {

// The first entry that names the address and port; where it stands.
std::string entry_for(const config::Config& config, const std::vector<config::AddressRange>& list,
                      const config::AddressRange& wanted) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const config::AddressRange& each) {
    return config::names(each, wanted.first, wanted.port);
  });
  return found == list.end() ? std::string() : place_of(config, found->origin);
}

// Of the bans that name the address and port, by one of these groups, the narrowest.
std::optional<detect::FlowGroups::Named> ban_for(const config::Tcpflowkiller& flow,
                                                 const detect::FlowGroups& groups,
                                                 const config::AddressRange& wanted,
                                                 std::uint64_t of) {
  std::optional<detect::FlowGroups::Named> best;
  for (const config::AddressRange& each : flow.bans) {
    const unsigned bit =
        each.group < groups.bits().size() ? groups.bits()[each.group] : FLOW_GROUP_BANNED;
    if ((of >> bit & 1) == 0 || !config::names(each, wanted.first, wanted.port)) continue;
    if (!best || config::narrower(each, best->ban)) best = {.bit = bit, .ban = each};
  }
  return best;
}

// "rule r2x4... of group pools, pools.yaml:3:5"; with `reveal` what it bans too.
std::string ban_words(const config::Config& config, const detect::FlowGroups& groups,
                      const detect::FlowGroups::Named& ban, bool reveal) {
  std::string out;
  if (const std::string rule = groups.rule_of(ban); !rule.empty()) out = "rule " + rule;
  if (const std::string_view group = groups.name(ban.bit); !group.empty())
    out += fmt::format(" of group {}", group);
  out += (out.empty() ? "" : ", ") + place_of(config, ban.ban.origin);
  if (reveal) out += ": " + config::range_text(ban.ban);
  return out;
}

// What becomes of who connects there.
std::string what_happens(const config::Config& config, const detect::FlowGroups& groups,
                         std::uint64_t banning) {
  std::set<std::string> first;
  const auto now = static_cast<std::int64_t>(unix_time());
  for (const config::AddressGroup& each : config.tcpflowkiller.groups) {
    if (each.report_first && (each.report_first->until > now || each.report_first->clean_days > 0))
      first.insert(each.name);
  }
  const config::Action action = groups.action_of(banning);
  const std::uint64_t killing = banning & groups.kill_groups();
  if (config.dry_run || killing == 0) return "killed, but for the mode: it is only reported";
  if ((killing & ~groups.mask_of(first)) == 0)
    return "killed, but only reported while its group reports first";
  return action > config::Action::kKill ? fmt::format("killed ({})", config::action_word(action))
                                        : "killed";
}

std::string scan_rule(const config::Scan& scan) {
  if (!scan.enabled) return "destinations are not counted";
  return fmt::format("counted: more than {} destinations{} in {} s are a scan", scan.threshold,
                     scan.only_failed ? " that do not answer" : "", scan.window_s);
}

}  // namespace

int run_explain_connect(const Inputs& inputs, const std::vector<std::string>& connects,
                        std::ostream& out, std::ostream& err) {
  const std::optional<config::Config> loaded = inputs.load_or_say(err);
  if (!loaded) return static_cast<int>(ExitCode::kConfig);
  const config::Config& config = *loaded;
  const config::Tcpflowkiller& flow = config.tcpflowkiller;
  const detect::FlowGroups groups(flow, 1, nullptr);
  const auto tables = detect::FlowTables::build(flow, groups);
  if (!tables) return say(tables.error(), err);
  ExitCode code = ExitCode::kOk;
  for (const std::string& text : connects) {
    config::AddressRange wanted;
    const std::string wrong = config::parse_address_range(text, wanted);
    if (!wrong.empty() || wanted.first != wanted.last || wanted.port == 0) {
      err << "explain: " << text << " is "
          << (wrong.empty() ? "not an address with a port: ADDRESS:PORT or [ADDRESS]:PORT" : wrong)
          << '\n';
      return static_cast<int>(ExitCode::kUsage);
    }
    // The kernel's tables decide; the lists only say why.
    const detect::FlowVerdict verdict = tables->look_up(wanted.first, wanted.port);
    const std::uint64_t killing = verdict.groups & groups.kill_groups();
    const auto named = ban_for(flow, groups, wanted, killing != 0 ? killing : ~std::uint64_t{0});
    const std::string ban = named ? ban_words(config, groups, *named, inputs.reveal) : "";
    const std::string allowed = entry_for(config, flow.allowed, wanted);
    if (!flow.enabled) {
      out << text << ": spared: tcpflowkiller is not enabled\n";
    } else if (verdict.banned()) {
      out << text << ": banned (" << ban << "): " << what_happens(config, groups, verdict.groups)
          << '\n';
      code = ExitCode::kExplainKilled;
    } else {
      if (!ban.empty()) {
        out << text << ": spared: banned (" << ban << ") but allowed (" << allowed << "); ";
      } else {
        out << text << ": spared: not banned; ";
      }
      out << (verdict.counted ? scan_rule(flow.scan) : "not counted as a scan's destination")
          << '\n';
    }
  }
  return static_cast<int>(code);
}

}  // namespace cryptnono::commands
