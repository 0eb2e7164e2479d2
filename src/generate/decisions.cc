#include "generate/decisions.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

namespace cryptnono::generate {

namespace {

struct Decisions {
  std::unordered_map<std::string, Verdict> verdicts;
  std::vector<CorpusFacts> corpora;
  OnHit on_hit = OnHit::kDrop;
};

// Throws nlohmann::json::exception if it is not what write_provenance writes.
void read_line(const nlohmann::json& json, Decisions& out) {
  if (!json.contains("id")) {
    for (const auto& corpus : json.at("corpora")) {
      out.corpora.push_back({.name = {},
                             .sha256 = corpus.at("sha256").get<std::string>(),
                             .lines = corpus.at("lines").get<std::size_t>()});
    }
    const auto word = json.at("on_hit").get<std::string>();
    const auto* const name = std::find(kOnHitNames.begin(), kOnHitNames.end(), word);
    if (name != kOnHitNames.end()) out.on_hit = static_cast<OnHit>(name - kOnHitNames.begin());
    return;
  }
  const auto word = json.at("verdict").get<std::string>();
  const auto* const name = std::find(kVerdictNames.begin(), kVerdictNames.end(), word);
  const auto verdict = static_cast<Verdict>(name - kVerdictNames.begin());
  if (name != kVerdictNames.end()) out.verdicts[json.at("id").get<std::string>()] = verdict;
}

}  // namespace

void apply_decisions(const NamedText& provenance, Run& run, config::Diagnostics& diagnostics) {
  Decisions decisions;
  std::string_view rest = provenance.text;
  for (std::uint32_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    try {
      read_line(nlohmann::json::parse(rest.substr(0, end)), decisions);
    } catch (const nlohmann::json::exception&) {
      return diagnostics.error(provenance.name, {number, 1},
                               "is no line of a provenance that `rules generate` wrote");
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  run.corpora = std::move(decisions.corpora);
  run.settings.on_hit = decisions.on_hit;
  for (std::size_t i = 0; i < run.candidates.size(); ++i) {
    const auto found = decisions.verdicts.find(run.ids[i]);
    if (found == decisions.verdicts.end()) {
      return diagnostics.error(provenance.name, {},
                               "has no verdict on a rule that these seeds make (" + run.ids[i] +
                                   "); it belongs to other seeds, settings or another version");
    }
    run.verdicts[i] = found->second;
  }
}

}  // namespace cryptnono::generate
