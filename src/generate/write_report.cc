#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>

#include "config/diagnostics.h"
#include "generate/run.h"

namespace cryptnono::generate {

namespace {

// What is flagged, the most hits first.
std::vector<std::size_t> flagged(const Run& run) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < run.candidates.size(); ++i) {
    if (is_flagged(run.verdicts[i])) all.push_back(i);
  }
  std::stable_sort(all.begin(), all.end(), [&](std::size_t a, std::size_t b) {
    return run.hits[a].lines > run.hits[b].lines;
  });
  return all;
}

std::string_view kind_of(const Candidate& candidate) {
  return candidate.kind == RuleKind::kWord ? "word" : "substring";
}

std::string_view done_with(const Run& run) {
  switch (run.settings.on_hit) {
    case OnHit::kDrop:
      return "dropped";
    case OnHit::kFlag:
      return "flagged";
    case OnHit::kFail:
      break;
  }
  return "refused";
}

}  // namespace

std::string write_report_text(const Run& run, const Counts& counts) {
  std::string out;
  auto to = std::back_inserter(out);
  fmt::format_to(to,
                 "{} candidates, {} rules; {} stand in honest lines, {} are too short, {} are "
                 "redundant\n\n",
                 counts.candidates, counts.rules, counts.hit, counts.too_short, counts.redundant);
  fmt::format_to(to, "{:>10} {:>10} {:>10}  {}\n", "lines", "hit before", "after", "corpus");
  for (const CorpusFacts& corpus : run.corpora) {
    fmt::format_to(to, "{:>10} {:>10} {:>10}  {}\n", corpus.lines, corpus.hit_before,
                   corpus.hit_after, corpus.name);
  }
  if (run.corpora.empty()) out += "no corpus: nothing was measured\n";
  const std::vector<std::size_t> all = flagged(run);
  if (all.empty()) return out;
  fmt::format_to(to, "\n{} rules {}\n{:>10}  {:<18} {:<9} {}\n", all.size(), done_with(run), "hits",
                 "id", "kind", "rule, seed, transformations, examples");
  for (const std::size_t i : all) {
    const Candidate& candidate = run.candidates[i];
    const SeedGroup& group = run.seeds.groups[candidate.group];
    const Seed& seed = group.seeds[candidate.seed];
    fmt::format_to(to, "{:>10}  {:<18} {:<9} {}  {}:{}:{} {} {}\n", run.hits[i].lines, run.ids[i],
                   kind_of(candidate), config::show_value(candidate.text),
                   run.files[seed.file].name, seed.position.line, seed.position.column, group.id,
                   fmt::join(candidate.chain, " > "));
    for (const std::string& example : run.hits[i].examples)
      fmt::format_to(to, "{:>12}{}\n", "", config::show_value(example));
  }
  return out;
}

std::string write_report_json(const Run& run, const Counts& counts) {
  using Json = nlohmann::ordered_json;
  Json json{{"version", CRYPTNONO_VERSION},
            {"onHit", kOnHitNames.at(static_cast<std::size_t>(run.settings.on_hit))},
            {"candidates", counts.candidates},
            {"rules", counts.rules},
            {"hit", counts.hit},
            {"short", counts.too_short},
            {"redundant", counts.redundant},
            {"corpora", Json::array()},
            {"flagged", Json::array()}};
  for (const CorpusFacts& corpus : run.corpora) {
    json["corpora"].push_back({{"name", corpus.name},
                               {"sha256", corpus.sha256},
                               {"lines", corpus.lines},
                               {"hitBefore", corpus.hit_before},
                               {"hitAfter", corpus.hit_after}});
  }
  for (const std::size_t i : flagged(run)) {
    const Candidate& candidate = run.candidates[i];
    const SeedGroup& group = run.seeds.groups[candidate.group];
    const Seed& seed = group.seeds[candidate.seed];
    Json by_corpus = Json::object();
    for (std::size_t c = 0; c < run.hits[i].by_corpus.size(); ++c) {
      if (run.hits[i].by_corpus[c] != 0) by_corpus[run.corpora[c].name] = run.hits[i].by_corpus[c];
    }
    json["flagged"].push_back(
        {{"id", run.ids[i]},
         {"verdict", kVerdictNames.at(static_cast<std::size_t>(run.verdicts[i]))},
         {"kind", kind_of(candidate)},
         {"text", candidate.text},
         {"group", group.id},
         {"seed",
          {{"file", run.files[seed.file].name},
           {"line", seed.position.line},
           {"column", seed.position.column},
           {"kind", kSeedKeys.at(static_cast<std::size_t>(seed.kind))}}},
         {"chain", candidate.chain},
         {"hits", run.hits[i].lines},
         {"byCorpus", by_corpus},
         {"examples", run.hits[i].examples}});
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace cryptnono::generate
