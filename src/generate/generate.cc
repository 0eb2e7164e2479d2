#include "generate/generate.h"

#include <algorithm>

#include "base/result.h"
#include "generate/decisions.h"
#include "generate/run.h"

namespace cryptnono::generate {

namespace {

void check_flagged_ids(const Run& run, config::Diagnostics& diagnostics) {
  if (run.settings.on_hit != OnHit::kFlag) return;
  constexpr std::size_t kMaxIdBytes = 63 - std::string_view(".flagged").size();
  for (const SeedGroup& group : run.seeds.groups) {
    if (group.id.size() > kMaxIdBytes)
      diagnostics.error("", {},
                        "the group " + group.id + ": too long a name for one with .flagged");
  }
}

Result<void> judge(const Inputs& inputs, Run& run) {
  std::vector<Corpus> corpora;
  corpora.reserve(inputs.corpora.size());
  for (const NamedText& corpus : inputs.corpora) corpora.emplace_back(corpus.name, corpus.text);
  std::sort(corpora.begin(), corpora.end(), [](const Corpus& a, const Corpus& b) {
    return a.sha256 != b.sha256 ? a.sha256 < b.sha256 : a.name < b.name;
  });
  Measurement measured = TRY(measure(run.candidates, corpora));
  run.hits = std::move(measured.hits);

  std::vector<bool> chosen(run.candidates.size());
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const Candidate& candidate = run.candidates[i];
    if (run.hits[i].lines != 0) {
      run.verdicts[i] = Verdict::kHit;
    } else if (candidate.kind == RuleKind::kWord && candidate.text.size() < kMinWordBytes) {
      run.verdicts[i] = Verdict::kShort;
    }
    chosen[i] = run.verdicts[i] == Verdict::kKept;
  }
  const std::vector<bool> redundant = TRY(find_redundant(run.candidates, chosen));
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (redundant[i]) run.verdicts[i] = Verdict::kRedundant;
    chosen[i] = chosen[i] && !redundant[i];
  }
  for (std::size_t c = 0; c < corpora.size(); ++c) {
    run.corpora.push_back(
        {.name = corpora[c].name,
         .sha256 = corpora[c].sha256,
         .lines = corpora[c].lines.size(),
         .hit_before = measured.lines_hit[c].size(),
         .hit_after = TRY(count_hit(run.candidates, chosen, measured.lines_hit[c]))});
  }
  return {};
}

Counts count(const Run& run) {
  Counts counts{.candidates = run.candidates.size()};
  for (const Verdict verdict : run.verdicts) {
    counts.hit += verdict == Verdict::kHit ? 1 : 0;
    counts.too_short += verdict == Verdict::kShort ? 1 : 0;
    counts.redundant += verdict == Verdict::kRedundant ? 1 : 0;
  }
  counts.rules = counts.candidates - counts.redundant;
  if (run.settings.on_hit != OnHit::kFlag) counts.rules -= counts.hit + counts.too_short;
  for (const CorpusFacts& corpus : run.corpora) counts.lines += corpus.lines;
  return counts;
}

}  // namespace

Outcome generate(const Inputs& inputs) {
  config::Diagnostics diagnostics;
  Run run;
  run.files = inputs.seeds;
  for (std::uint32_t i = 0; i < inputs.seeds.size(); ++i)
    read_seeds(inputs.seeds[i], i, run.seeds, diagnostics);
  run.settings = Settings::defaults();
  if (inputs.settings) read_settings(*inputs.settings, run.settings, diagnostics);
  if (inputs.decisions && !inputs.corpora.empty())
    diagnostics.error("", {}, "decisions of an earlier run and corpora exclude each other");
  if (!diagnostics.has_errors() && run.seeds.id_key.empty())
    diagnostics.error("", {}, "no seed file has a ruleIdKey, without which rules have no ids");
  const auto stop = [&] {
    return Outcome{{}, diagnostics.take_errors(), diagnostics.take_warnings()};
  };
  if (diagnostics.has_errors()) return stop();

  run.candidates = make_candidates(run.seeds, run.settings);
  run.verdicts.resize(run.candidates.size());
  run.hits.resize(run.candidates.size());
  const std::string id_key = config::id_key_of(run.seeds.id_key);
  for (const Candidate& candidate : run.candidates)
    run.ids.push_back(config::rule_id(id_key, candidate.kind, candidate.text));
  if (inputs.decisions) {
    apply_decisions(*inputs.decisions, run, diagnostics);
  } else if (const Result<void> judged = judge(inputs, run); !judged) {
    diagnostics.error("", {}, judged.error().message);
  }
  if (inputs.on_hit) run.settings.on_hit = *inputs.on_hit;
  check_flagged_ids(run, diagnostics);
  if (diagnostics.has_errors()) return stop();
  if (run.corpora.empty()) {
    diagnostics.warning("", {},
                        "no corpus: the rules were not measured against any honest line, and may "
                        "kill what is harmless");
  }

  Output output;
  output.counts = count(run);
  output.report_text = write_report_text(run, output.counts);
  output.report_json = write_report_json(run, output.counts);
  output.failed =
      run.settings.on_hit == OnHit::kFail && output.counts.hit + output.counts.too_short != 0;
  if (!output.failed) {
    output.rules = write_rules(run);
    output.provenance = write_provenance(run, inputs.reveal_provenance);
  }
  return {std::move(output), {}, diagnostics.take_warnings()};
}

}  // namespace cryptnono::generate
