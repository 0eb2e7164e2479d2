#include "app/redactor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "base/utf8.h"
#include "config/load.h"
#include "match/matcher.h"

namespace cryptnono::app {
namespace {

using std::literals::operator""s;
using std::literals::operator""sv;
using testing::HasSubstr;
using testing::Not;

std::shared_ptr<const detect::ExecRules> compile(const config::Execwhacker& config) {
  auto rules = detect::ExecRules::compile(config, 1, "canaryword0123");
  EXPECT_TRUE(rules.has_value());
  return *rules;
}

std::shared_ptr<const detect::ExecRules> compile(std::string_view yaml) {
  auto loaded = config::load_text("rules.yaml", yaml);
  EXPECT_TRUE(loaded.has_value());
  return compile(loaded->config.execwhacker);
}

detect::Subject process(std::string_view argv) {
  detect::Subject out;
  out.argv = argv;
  out.argv_bytes = argv.size();
  return out;
}

// The ids are those of config/rule_id_test.cc.
constexpr std::string_view kRules =
    "ruleIdKey: a key of sixteen bytes or more\n"
    "bannedCommandStrings: [xmrig, 'pool one', \"it's\", left]\n"
    "bannedCommandSubstrings: ['stratum+tcp://']\n";
constexpr std::string_view kWord = "[rllvcuwury5aqppk6]";
constexpr std::string_view kSubstring = "[rokrysoaof5jum43b]";

TEST(Redactor, masks_every_occurrence_in_whatever_case) {
  Redactor redactor(compile(kRules));
  EXPECT_EQ(redactor.text("run XMRig and xmrig -x"),
            "run " + std::string(kWord) + " and " + std::string(kWord) + " -x");
  EXPECT_EQ(redactor.text("-oSTRATUM+tcp://host"), "-o" + std::string(kSubstring) + "host");
  EXPECT_EQ(redactor.text("nothing here"), "nothing here");
  EXPECT_EQ(redactor.text(""), "");
}

TEST(Redactor, leaves_alone_what_is_glued_unless_its_rule_was_found) {
  Redactor redactor(compile(kRules));
  EXPECT_EQ(redactor.text("myxmrig2"), "myxmrig2");
  EXPECT_EQ(redactor.text("myxmrig2 xmrig"), "my" + std::string(kWord) + "2 " + std::string(kWord));
  EXPECT_EQ(redactor.text("myxmrig2"), "my" + std::string(kWord) + "2");  // of the same event
}

TEST(Redactor, what_a_mask_makes_a_word_of_is_masked_as_well) {
  Redactor redactor(compile(kRules));
  EXPECT_THAT(redactor.text("leftxmrig xmrig"), Not(HasSubstr("left")));
}

TEST(Redactor, finds_what_spans_arguments_or_what_quoting_tears_apart) {
  Redactor redactor(compile(kRules));
  EXPECT_THAT(redactor.command_line(process("a\0pool\0one\0b\0"sv), {}, 32768),
              Not(HasSubstr("pool")));
  const std::string quoted = redactor.command_line(process("a\0say it's x\0"sv), {}, 32768);
  EXPECT_THAT(quoted, Not(HasSubstr("it'")));
  EXPECT_THAT(quoted, HasSubstr("say ["));
  EXPECT_THAT(redactor.command_line(process("argv0\0one\0"sv), "/usr/bin/pool", 32768),
              Not(HasSubstr("pool")));
  EXPECT_EQ(redactor.command_line(process("X\0-A\0"sv), "/bin/ECHO", 32768, true), "/bin/echo -a");
}

TEST(Redactor, quotes_as_the_log_does_and_shows_all_where_it_reveals) {
  Redactor shows;
  EXPECT_TRUE(shows.reveals());
  EXPECT_EQ(shows.text("xmrig"), "xmrig");
  EXPECT_EQ(shows.name("xmrig"), "xmrig");
  EXPECT_EQ(shows.command_line(process("a\0XMrig x\0"sv), {}, 256, true), "a 'xmrig x'");
  Redactor hides(compile(kRules));
  EXPECT_EQ(hides.command_line(process("a\0b c\0d\0"sv), {}, 256), "a 'b c' d");
  EXPECT_EQ(hides.command_line(process("a\0./xmrig\0"sv), {}, 256),
            "a './" + std::string(kWord) + "'");
}

TEST(Redactor, leaves_no_half_of_a_rule_where_a_text_is_cut) {
  const auto rules = compile("bannedCommandSubstrings: [abcdefghijklmnopqrstuvwxyz]\n");
  Redactor redactor(rules);
  EXPECT_THAT(redactor.text("x abcdefghijklmnopqrst", true), Not(HasSubstr("abc")));
  detect::Subject who = process(std::string(2000, 'x') + "abcdefghijklmno");
  who.argv_bytes = 1'000'000;
  EXPECT_THAT(redactor.command_line(who, {}, 32768), Not(HasSubstr("abc")));
  for (std::size_t limit = 1990; limit < 2030; ++limit) {
    who = process(std::string(2000, 'x') + "abcdefghijklmnopqrstuvwxyz-and-more");
    std::string line = redactor.command_line(who, {}, limit);
    line.resize(std::min(line.size(), limit));
    EXPECT_THAT(line, Not(HasSubstr("abc"))) << limit;
  }
}

TEST(Redactor, masks_a_name_that_the_kernel_has_cut) {
  const auto rules = compile("bannedCommandStrings: [a-long-name-of-a-miner]\n");
  Redactor redactor(rules);
  EXPECT_EQ(redactor.name("a-long-name-of-"), "a-long-name-of-");  // nobody knows yet
  EXPECT_EQ(redactor.text("/tmp/a-long-name-of-a-miner"), "/tmp/[rules:1:24]");
  EXPECT_EQ(redactor.name("a-long-name-of-"), "[rules:1:24]");
  EXPECT_EQ(redactor.name("bash"), "bash");
}

TEST(Redactor, an_id_is_not_masked_in_itself) {
  Redactor redactor(compile("groups: [{id: xmrig, bannedCommandStrings: [xmrig]}]\n"));
  EXPECT_EQ(redactor.command_line(process("a\0xmrig\0"sv), {}, 256), "a '[xmrig:1:45]'");
}

TEST(Redactor, a_text_that_will_not_come_clean_is_left_out_as_a_whole) {
  std::string yaml = "bannedCommandStrings:\n";
  std::string text;
  for (std::size_t i = 0; i <= Redactor::kMaxFound; ++i) {
    yaml += "- word" + std::to_string(i) + "x\n";
    text += "word" + std::to_string(i) + "x ";
  }
  EXPECT_EQ(Redactor(compile(yaml)).text(text), Redactor::kWhole);
}

TEST(Redactor, old_and_new_rules_both_count_and_none_is_no_error) {
  const auto old_rules = compile("bannedCommandStrings: [oldword]\n");
  const auto new_rules = compile("bannedCommandStrings: [newword]\n");
  EXPECT_EQ(Redactor(new_rules, old_rules).text("oldword newword"), "[rules:1:24] [rules:1:24]");
  EXPECT_EQ(Redactor(nullptr, nullptr).text("oldword"), "oldword");
  EXPECT_EQ(Redactor(compile("{}")).text("oldword"), "oldword");
  EXPECT_EQ(Redactor(new_rules, new_rules).text("newword"), "[rules:1:24]");
}

// Texts made of rules, halves of rules and glue: whatever comes out, the matcher finds nothing in
// it outside of the masks, and no rule that it found is left anywhere.
TEST(Redactor, nothing_is_left_of_any_rule) {
  const std::vector<std::string> parts{
      "xmrig", "XMRIG", "pool one", "it's", "left", "stratum+tcp://", "xm", "rig", " ",
      "\0"s,   "-",     "_",        "'",    "a",    "\xff",           "[",  "]"};
  const auto rules = compile(kRules);
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (auto n = random() % 12; n > 0; --n) text += parts[random() % parts.size()];
    Redactor redactor(rules);
    for (const std::string& out :
         {redactor.text(text), redactor.command_line(process(text), {}, 32768)}) {
      std::string outside = ascii_lower(out);
      for (std::size_t at = 0; (at = outside.find("[r", at)) != std::string::npos;) {
        const std::size_t end = outside.find(']', at);
        if (end == at + 18) outside.replace(at, 19, "[]");
        ++at;
      }
      const match::Hit hit = match::Matcher(rules->tables()).match_text(outside);
      ASSERT_FALSE(hit.banned()) << testing::PrintToString(text) << " -> " << out;
    }
  }
}

TEST(Redactor, costs_little_beside_the_log_line) {
  config::Execwhacker config;
  config::RuleGroup& group = config.groups.emplace_back();
  std::mt19937_64 random(1);
  for (int i = 0; i < 50'000; ++i) {
    std::string text = "w";
    for (int n = 0; n < 12; ++n) text += static_cast<char>('a' + random() % 26);
    group.banned_strings.push_back({.text = text, .origin = {}});
  }
  const auto rules = compile(config);
  std::string argv;
  while (argv.size() < 32768) argv += "--option-of-a-program=some/value\0"s;
  argv += group.banned_strings[77].text + '\0';
  const detect::Subject who = process(argv);
  const auto begin = std::chrono::steady_clock::now();
  constexpr int kRounds = 20;
  for (int i = 0; i < kRounds; ++i) {
    Redactor redactor(rules);
    ASSERT_THAT(redactor.command_line(who, {}, 40000), HasSubstr("[:0:0]"));
  }
  const double each_us =
      std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count() /
      kRounds;
  RecordProperty("microseconds", std::to_string(each_us));
  EXPECT_LT(each_us, 50'000);  // ample, for sanitizers and a busy machine
}

}  // namespace
}  // namespace cryptnono::app
