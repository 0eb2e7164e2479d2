#include "generate/generate.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

#include "generate/corpus_lines.h"
#include "generate/measure.h"
#include "match/reference.h"

namespace cryptnono::generate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kKey = "ruleIdKey: 0123456789abcdef\n";

Outcome run(std::string_view kinds, std::vector<std::string> corpora = {},
            std::optional<OnHit> on_hit = {}) {
  Inputs inputs;
  inputs.seeds.push_back({"s.yaml", std::string(kKey) + "groups:\n  - id: g\n    seeds: {" +
                                        std::string(kinds) + "}\n"});
  for (std::string& text : corpora) inputs.corpora.push_back({"corpus", std::move(text)});
  inputs.on_hit = on_hit;
  return generate(inputs);
}

std::vector<std::string> errors_of(std::string text) {
  Inputs inputs;
  inputs.seeds.push_back({"s.yaml", std::move(text)});
  std::vector<std::string> all;
  for (const auto& error : generate(inputs).errors) all.push_back(to_string(error));
  return all;
}

std::set<std::string> flagged_of(const Output& output) {
  std::set<std::string> all;
  const auto report = nlohmann::json::parse(output.report_json);
  for (const auto& rule : report["flagged"]) all.insert(rule["text"].get<std::string>());
  return all;
}

TEST(Generate, WritesARuleFile) {
  Inputs inputs;
  inputs.seeds.push_back({"s.yaml", std::string(kKey) + R"(
groups:
  - id: names
    purpose: Names of miners
    action: kill-tree
    reportFirst: {until: 2026-12-24, cleanDays: 7}
    allowedCommandPatterns: ['^grep ']
    seeds: {minerNames: [xmrig], urlSchemes: [stratum+tcp]}
)"});
  inputs.settings =
      NamedText{"t.yaml", "transformations: {minerNames: [plain], urlSchemes: [plain]}"};
  inputs.corpora.push_back({"c", "/bin/ls\n"});
  const Outcome outcome = generate(inputs);
  ASSERT_TRUE(outcome.output);
  const std::string& rules = outcome.output->rules;
  EXPECT_THAT(rules.substr(rules.find("ruleIdKey")), R"(ruleIdKey: "0123456789abcdef"
groups:
  - id: "names"
    purpose: "Names of miners"
    action: kill-tree
    reportFirst: {until: "2026-12-24", cleanDays: 7}
    bannedCommandStrings:
      - "xmrig"
    bannedCommandSubstrings:
      - "stratum+tcp://"
      - "stratum+tcp:\\/\\/"
      - "stratum%2btcp%3a%2f%2f"
    allowedCommandPatterns:
      - "^grep "
)");
  EXPECT_THAT(outcome.output->provenance, Not(HasSubstr("xmrig")));
  EXPECT_THAT(outcome.output->provenance, HasSubstr(R"("seed":{"file":"s.yaml","line":9)"));
}

TEST(Generate, SaysEverythingThatIsWrongAndNoSeed) {
  EXPECT_THAT(
      errors_of("ruleIdKey: short\ngroups:\n  - id: Bad\n    reportFirst: {until: 2026-02-30}\n"
                "    seeds:\n      wallets: [swordfish]\n      pools: ['http://swordfish']\n"
                "      options: [swordfish]\n      poolz: []\n"),
      ElementsAre(HasSubstr("s.yaml:1:12: ruleIdKey is 5 bytes long"),
                  HasSubstr("s.yaml:3:9: groups.id is \"Bad\""),
                  HasSubstr("s.yaml:4:26: groups.reportFirst.until is \"2026-02-30\""),
                  HasSubstr("s.yaml:6:17: an item of groups.seeds.wallets has the shape of no"),
                  HasSubstr("s.yaml:7:15: an item of groups.seeds.pools is no host"),
                  HasSubstr("s.yaml:8:17: an item of groups.seeds.options is no option"),
                  HasSubstr("s.yaml:9:7: unknown key \"poolz\" in groups.seeds")));
  EXPECT_THAT(errors_of("groups: []\n"), ElementsAre(HasSubstr("no seed file has a ruleIdKey")));
}

TEST(Generate, FlagsWhatHonestLinesHave) {
  const Outcome outcome =
      run("coins: [eth], minerNames: [node, miner, pool, xmrig], options: [-o]",
          {"node server.js\ngcc -o a.out a.c\n/usr/share/pool/x\nip link show eth\nminer 49er\n"});
  ASSERT_TRUE(outcome.output);
  const auto flagged = flagged_of(*outcome.output);
  for (const char* text : {"eth", "node", "miner", "pool", "-o"})
    EXPECT_TRUE(flagged.contains(text));
  EXPECT_FALSE(flagged.contains("xmrig"));
  EXPECT_THAT(outcome.output->rules, Not(HasSubstr("\"node\"")));
  EXPECT_THAT(outcome.output->rules, HasSubstr("\"xmrig\""));
}

TEST(Generate, ShortWordsNeedNoCorpusToBeFlagged) {
  const Outcome outcome = run("coins: [eth], options: [-o]", {"nothing of the kind\n"});
  ASSERT_TRUE(outcome.output);
  EXPECT_TRUE(flagged_of(*outcome.output).contains("eth"));
  EXPECT_TRUE(flagged_of(*outcome.output).contains("-o"));
}

TEST(Generate, FlaggedRulesOnlyReport) {
  const Outcome outcome = run("minerNames: [node, xmrig]", {"node server.js\n"}, OnHit::kFlag);
  ASSERT_TRUE(outcome.output);
  EXPECT_THAT(outcome.output->rules,
              HasSubstr("  - id: \"g.flagged\"\n    action: report\n    bannedCommandStrings:\n"
                        "      - \"node\"\n"));
}

TEST(Generate, MayRefuse) {
  const Outcome outcome = run("minerNames: [node]", {"node server.js\n"}, OnHit::kFail);
  ASSERT_TRUE(outcome.output);
  EXPECT_TRUE(outcome.output->failed);
  EXPECT_EQ(outcome.output->rules, "");
  EXPECT_THAT(outcome.output->report_text, HasSubstr("node server.js"));
}

TEST(Generate, WarnsWithoutACorpus) {
  EXPECT_THAT(to_string(run("minerNames: [xmrig]").warnings.at(0)), HasSubstr("no corpus"));
}

TEST(Generate, LeavesOutWhatAnotherRuleFinds) {
  const Outcome outcome = run(
      "urlSchemes: [stratum+tcp], strings: ['-ostratum+tcp://pool.example'], pools: [pool.example]",
      {"/bin/ls\n"});
  ASSERT_TRUE(outcome.output);
  EXPECT_THAT(outcome.output->rules, Not(HasSubstr("\"-ostratum+tcp://pool.example\"")));
  EXPECT_THAT(outcome.output->rules, HasSubstr("\"-opool.example\""));  // the word is not in it
}

TEST(Generate, WhatAnotherRuleFindsStaysIfThatOneIsDropped) {
  const Outcome outcome = run("algorithms: [rx/0]", {"/sys/queues/rx/0\n"});
  ASSERT_TRUE(outcome.output);
  EXPECT_THAT(outcome.output->rules, Not(HasSubstr("- \"rx/0\"")));
  EXPECT_THAT(outcome.output->rules, HasSubstr("\"--algo=rx/0\""));
  EXPECT_THAT(run("algorithms: [rx/0]", {"/bin/ls\n"}).output->rules,
              Not(HasSubstr("\"--algo=rx/0\"")));
}

TEST(Generate, NeitherOrderNorRepetitionOfCorporaCounts) {
  const std::string kinds = "minerNames: [node, xmrig, cpuminer]";
  const auto one = run(kinds, {"node a\nnode b\nls\n", "cat x\n"});
  const auto two = run(kinds, {"cat x\ncat x\n", "ls\nnode b\n\nnode a"});
  EXPECT_EQ(one.output->rules, two.output->rules);
  EXPECT_EQ(one.output->provenance, two.output->provenance);
  EXPECT_EQ(one.output->report_text, two.output->report_text);
  EXPECT_EQ(one.output->report_json, two.output->report_json);
}

TEST(Generate, DecisionsMakeTheSameBytesWithoutCorpora) {
  Inputs inputs;
  inputs.seeds.push_back(
      {"s.yaml", std::string(kKey) + "groups: [{id: g, seeds: {minerNames: [node, xmrig]}}]"});
  inputs.corpora.push_back({"c", "node server.js\n"});
  const Outcome first = generate(inputs);
  inputs.decisions = NamedText{"p.jsonl", first.output->provenance};
  EXPECT_FALSE(generate(inputs).output);  // one or the other
  inputs.corpora.clear();
  const Outcome second = generate(inputs);
  ASSERT_TRUE(second.output);
  EXPECT_EQ(first.output->rules, second.output->rules);
  EXPECT_EQ(first.output->provenance, second.output->provenance);
  inputs.seeds[0].text.replace(inputs.seeds[0].text.find("xmrig"), 5, "ymrig");
  EXPECT_THAT(to_string(generate(inputs).errors.at(0)), HasSubstr("has no verdict"));
  inputs.decisions->text = "{\n";
  EXPECT_THAT(to_string(generate(inputs).errors.at(0)), HasSubstr("p.jsonl:1:1"));
}

TEST(Generate, DecisionsSayWhatHappenedOnAHit) {
  Inputs inputs;
  inputs.seeds.push_back(
      {"s.yaml", std::string(kKey) + "groups: [{id: g, seeds: {minerNames: [node, xmrig]}}]"});
  inputs.corpora.push_back({"c", "node server.js\n"});
  inputs.on_hit = OnHit::kFlag;
  const Outcome first = generate(inputs);
  ASSERT_THAT(first.output->rules, HasSubstr("g.flagged"));
  inputs.decisions = NamedText{"p.jsonl", first.output->provenance};
  inputs.corpora.clear();
  inputs.on_hit.reset();
  EXPECT_EQ(generate(inputs).output->rules, first.output->rules);
}

// Every rule that hits a line is found, not only the first: compared with the plainest matcher.
TEST(Measure, FindsAllRulesOfALine) {
  std::vector<Candidate> candidates;
  for (const char* text : {"ab", "ab c", "b", "c-d", "-d", "abc", "d"}) {
    candidates.push_back({.kind = RuleKind::kWord, .text = text});
    if (std::string_view(text).size() >= 3)
      candidates.push_back({.kind = RuleKind::kSubstring, .text = text});
  }
  std::string text;
  std::uint32_t random = 1;
  for (int line = 0; line < 3000; ++line) {
    for (int i = 0; i < 9; ++i) {
      random = random * 1664525U + 1013904223U;
      text += "aAbBcCdD-- _"[(random >> 20U) % 12];
    }
    text += '\n';
  }
  const std::vector<Corpus> corpora{Corpus("c", text)};
  const auto measured = measure(candidates, corpora);
  ASSERT_TRUE(measured);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::vector<match::Entry> entry{{.text = candidates[i].text,
                                           .kind = candidates[i].kind == RuleKind::kWord
                                                       ? match::Kind::kWord
                                                       : match::Kind::kSubstring,
                                           .rule = 0}};
    std::size_t expected = 0;
    for (const auto line : corpora[0].lines)
      expected += match::reference_match_text(entry, line).banned() ? 1 : 0;
    EXPECT_EQ(measured->hits[i].lines, expected) << candidates[i].text;
    EXPECT_GT(expected, 0U);
  }
}

TEST(Corpus, HidesSecrets) {
  std::size_t count = 0;
  EXPECT_EQ(hide_secrets("curl -u x https://me:hunter2@host/ --token abc PASSWORD=x", count),
            "curl -u x https://me:HIDDEN@host/ --token HIDDEN PASSWORD=HIDDEN");
  EXPECT_EQ(hide_secrets("mysql -u root -phunter2 db", count), "mysql -u root -pHIDDEN db");
  EXPECT_EQ(hide_secrets("curl -H 'Authorization: Bearer abcdefghijkl'", count),
            "curl -H 'Authorization: Bearer HIDDEN'");
  EXPECT_EQ(count, 5U);
  EXPECT_EQ(hide_secrets("/home/alice/bin/x gcc -pthread", count), "/home/USER/bin/x gcc -pthread");
  EXPECT_EQ(count, 5U);
}

TEST(Corpus, IsSortedUniqueAndClean) {
  CorpusLines lines;
  for (const std::string_view line :
       {std::string_view("b\0c\0", 4), std::string_view("a"), std::string_view("a "),
        std::string_view(""), std::string_view("\xff")})
    lines.add(line);
  EXPECT_EQ(lines.text(), "a\nb c\n");
  EXPECT_EQ(lines.left_out(), 1U);
}

}  // namespace
}  // namespace cryptnono::generate
