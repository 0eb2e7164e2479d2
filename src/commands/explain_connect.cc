#include "commands/explain_connect.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/result.h"
#include "commands/rule_words.h"
#include "config/address_range.h"
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
  const auto tables = detect::FlowTables::build(flow, 1);
  if (!tables) {
    err << tables.error().message << '\n';
    return static_cast<int>(tables.error().code);
  }
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
    const std::string ban = entry_for(config, flow.bans, wanted);
    const std::string allowed = entry_for(config, flow.allowed, wanted);
    if (!flow.enabled) {
      out << text << ": spared: tcpflowkiller is not enabled\n";
    } else if (verdict.banned) {
      const bool killed = !config.dry_run && kills(flow.action);
      out << text << ": banned (" << ban
          << "): " << (killed ? "killed" : "killed, but for the mode: it is only reported") << '\n';
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
