#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "generate/run.h"

namespace cryptnono::generate {

namespace {

// A JSON string is a YAML string. Transformations that would tear UTF-8 apart are not applied to
// it, so nothing is replaced here.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void write_header(const Run& run, std::string& out) {
  auto to = std::back_inserter(out);
  fmt::format_to(to,
                 "# Made by cryptnono rules generate {}. Change the seeds and generate again, "
                 "rather than this file.\n",
                 CRYPTNONO_VERSION);
  for (const NamedText& file : run.files)
    fmt::format_to(to, "# seeds: sha256 {}\n", sha256_hex(file.text));
  for (const CorpusFacts& corpus : run.corpora)
    fmt::format_to(to, "# corpus: sha256 {}, {} lines\n", corpus.sha256, corpus.lines);
  if (run.corpora.empty()) out += "# corpus: none; not measured against any honest line\n";
  fmt::format_to(to, "# on hit: {}\n",
                 kOnHitNames.at(static_cast<std::size_t>(run.settings.on_hit)));
  for (std::size_t kind = 0; kind < kSeedKinds; ++kind) {
    fmt::format_to(to, "# {}:", kSeedKeys.at(kind));
    for (const Transformation one : run.settings.transformations.at(kind))
      fmt::format_to(to, " {}", kTransformationNames.at(static_cast<std::size_t>(one)));
    out += '\n';
  }
}

void write_list(const Run& run, std::string_view key, const std::vector<std::size_t>& rules,
                std::string& out) {
  if (rules.empty()) return;
  fmt::format_to(std::back_inserter(out), "    {}:\n", key);
  for (const std::size_t i : rules) out += "      - " + quoted(run.candidates[i].text) + '\n';
}

// One group of the file: of the candidates of a seed group those that are flagged, or the others.
void write_group(const Run& run, std::uint32_t index, bool flagged, std::string& out) {
  const SeedGroup& group = run.seeds.groups[index];
  std::vector<std::size_t> words;
  std::vector<std::size_t> substrings;
  for (std::size_t i = 0; i < run.candidates.size(); ++i) {
    const Candidate& candidate = run.candidates[i];
    if (candidate.group != index || run.verdicts[i] == Verdict::kRedundant ||
        is_flagged(run.verdicts[i]) != flagged)
      continue;
    (candidate.kind == RuleKind::kWord ? words : substrings).push_back(i);
  }
  const bool patterns = !flagged && !group.allowed_patterns.empty();
  if (words.empty() && substrings.empty() && !patterns) return;
  auto to = std::back_inserter(out);
  fmt::format_to(to, "  - id: {}\n", quoted(flagged ? group.id + ".flagged" : group.id));
  if (!group.purpose.empty()) fmt::format_to(to, "    purpose: {}\n", quoted(group.purpose));
  if (flagged) {
    out += "    action: report\n";
  } else {
    if (!group.action.empty()) fmt::format_to(to, "    action: {}\n", group.action);
    if (group.until || group.clean_days) {
      out += "    reportFirst: {";
      if (group.until) fmt::format_to(to, "until: {}", quoted(*group.until));
      if (group.until && group.clean_days) out += ", ";
      if (group.clean_days) fmt::format_to(to, "cleanDays: {}", *group.clean_days);
      out += "}\n";
    }
  }
  write_list(run, "bannedCommandStrings", words, out);
  write_list(run, "bannedCommandSubstrings", substrings, out);
  if (!patterns) return;
  out += "    allowedCommandPatterns:\n";
  for (const std::string& pattern : group.allowed_patterns)
    out += "      - " + quoted(pattern) + '\n';
}

}  // namespace

std::string write_rules(const Run& run) {
  std::string out;
  write_header(run, out);
  out += "ruleIdKey: " + quoted(run.seeds.id_key) + '\n';
  std::string groups;
  for (std::uint32_t i = 0; i < run.seeds.groups.size(); ++i) {
    write_group(run, i, false, groups);
    if (run.settings.on_hit == OnHit::kFlag) write_group(run, i, true, groups);
  }
  out += groups.empty() ? "groups: []\n" : "groups:\n" + groups;
  return out;
}

std::string write_provenance(const Run& run, bool reveal) {
  using Json = nlohmann::ordered_json;
  const auto line = [](const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  };
  Json corpora = Json::array();
  for (const CorpusFacts& corpus : run.corpora)
    corpora.push_back({{"sha256", corpus.sha256}, {"lines", corpus.lines}});
  std::string out =
      line({{"version", CRYPTNONO_VERSION},
            {"corpora", corpora},
            {"on_hit", kOnHitNames.at(static_cast<std::size_t>(run.settings.on_hit))}});
  for (std::size_t i = 0; i < run.candidates.size(); ++i) {
    const Candidate& candidate = run.candidates[i];
    const SeedGroup& group = run.seeds.groups[candidate.group];
    const Seed& seed = group.seeds[candidate.seed];
    Json json{{"id", run.ids[i]},
              {"kind", candidate.kind == RuleKind::kWord ? "word" : "substring"},
              {"group", group.id},
              {"verdict", kVerdictNames.at(static_cast<std::size_t>(run.verdicts[i]))},
              {"seed",
               {{"file", run.files[seed.file].name},
                {"line", seed.position.line},
                {"column", seed.position.column},
                {"kind", kSeedKeys.at(static_cast<std::size_t>(seed.kind))}}},
              {"chain", candidate.chain}};
    if (reveal) json["text"] = candidate.text;
    out += line(json);
  }
  return out;
}

}  // namespace cryptnono::generate
