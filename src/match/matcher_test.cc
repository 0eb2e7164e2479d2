#include "match/matcher.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <unordered_set>

#include "match/reference.h"
#include "match/tables.h"

namespace cryptnono::match {
namespace {

Tables build(const std::vector<Entry>& entries, std::uint64_t seed = 0) {
  Result<Tables> tables = build_tables(entries, {.seed = seed, .generation = 1});
  EXPECT_TRUE(tables.has_value()) << (tables ? "" : tables.error().message);
  return std::move(*tables);
}

bool bans(std::string_view rule, std::string_view text, Kind kind = Kind::kWord) {
  const Tables tables = build({{.text = rule, .kind = kind, .group = 0, .rule = 0}});
  return Matcher(tables.bytes()).match_text(text).banned();
}

TEST(Matcher, judges_each_occurrence_of_a_word_by_itself) {
  struct Case {
    std::string_view rule, text;
    bool banned;
  };
  using std::literals::operator""sv;
  const Case cases[] = {
      {"b", "b", true},
      {"b", "xb", false},
      {"b", "bx", false},
      {"b", "b_", false},
      {"b", "_b", false},
      {"b", "b9", false},
      {"b", "b xb", true},  // a decoy spares nobody
      {"b", "xb b", true},
      {"b", "xb bx", false},
      {"b", ".b-", true},
      {"b", "B", true},
      {"StRaTuM+TCP", "-o stratum+tcp://p:3333", true},
      {"stratum+tcp", "-ostratum+tcp://p", false},  // glued: a substring rule is for that
      {"stratum+tcp", "stratum+tcpx stratum+tcp", true},
      {"a b", "a\0b"sv, true},  // the kernel's NUL between arguments is a space
      {"a b", "a\0\0b"sv, false},
      {"a  b", "a\0\0b"sv, true},
      {"b",
       "\xc3\xa9"
       "b\xc3\xa9",
       true},  // bytes >= 0x80 are not word bytes
      {"b\xff",
       "b\xff"
       "a",
       false},
      {"b\xff", "b\xff", true},
      {":b", "a:b", false},
      {":b", "::b", true},
      {"b:", "b:a", false},
      {"b:", "b::", true},
      {"--o=", "--o=1", false},
      {"--o=", "--o=", true},
      {"--o", "---o", true},
      {"a a b", "a a a b", true},
      {"b", "", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(bans(c.rule, c.text), c.banned) << '"' << c.rule << "\" in \"" << c.text << '"';
  }
}

TEST(Matcher, finds_substrings_anywhere) {
  EXPECT_TRUE(bans("stratum+tcp", "./x -ostratum+tcp://p", Kind::kSubstring));
  EXPECT_TRUE(bans("abc", "ababc", Kind::kSubstring));
  EXPECT_TRUE(bans("abcabd", "abcabcabd", Kind::kSubstring));
  EXPECT_FALSE(bans("abcabd", "abcabcab", Kind::kSubstring));
  EXPECT_TRUE(bans("XMRIG", "/opt/xmrig2", Kind::kSubstring));
}

TEST(Matcher, names_the_first_and_longest_rule_and_all_groups) {
  const Tables tables = build({{.text = "pool", .kind = Kind::kWord, .group = 1, .rule = 10},
                               {.text = "my.pool", .kind = Kind::kWord, .group = 2, .rule = 11},
                               {.text = "late", .kind = Kind::kWord, .group = 3, .rule = 12}});
  const Hit hit = Matcher(tables.bytes()).match_text("x my.pool late");
  EXPECT_EQ(hit.rule, 11U);
  EXPECT_EQ(hit.groups, 0b1110U);
}

TEST(Matcher, joins_the_file_name_with_the_arguments_as_the_predecessor_saw_them) {
  using std::literals::operator""sv;
  const Tables tables = build({{.text = "miner -o", .kind = Kind::kWord, .group = 0, .rule = 0}});
  const Matcher matcher(tables.bytes());
  EXPECT_TRUE(
      matcher.match({.path = {}, .filename = "/tmp/miner", .argv = "innocent\0-o\0"sv}).banned());
  EXPECT_TRUE(matcher.match({.path = {}, .filename = "/tmp/x", .argv = "miner\0-o\0"sv}).banned());
  EXPECT_FALSE(
      matcher.match({.path = "/tmp/miner", .filename = "x", .argv = "y\0-o\0"sv}).banned());
  EXPECT_FALSE(
      matcher.match({.path = {}, .filename = "/tmp/miner", .argv = "y\0-ox\0"sv}).banned());
}

TEST(Matcher, counts_an_allowed_path_in_the_executables_path_only) {
  const Tables tables =
      build({{.text = "/usr/bin/ok", .kind = Kind::kAllowPath, .group = 0, .rule = 0}});
  const Matcher matcher(tables.bytes());
  EXPECT_EQ(matcher.match({.path = "/usr/bin/ok", .filename = {}, .argv = {}}).flags,
            MATCH_OUT_ALLOW_PATH);
  EXPECT_EQ(matcher.match({.path = "/x", .filename = "/usr/bin/ok", .argv = "/usr/bin/ok"}).flags,
            0U);
}

// Strings over few letters share prefixes and suffixes and overlap themselves; that is where such
// automatons go wrong.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  std::string text(std::size_t longest) {
    static constexpr std::string_view kAlphabet = "abAB_0. -:\xc3\xa9";
    std::string out(below(longest + 1), '\0');
    const std::size_t letters = 2 + below(kAlphabet.size() - 1);
    for (char& c : out) {
      c = kAlphabet[below(letters)];
      if (below(40) == 0) c = '\0';
    }
    return out;
  }

  std::string rule(std::size_t shortest, std::size_t longest) {
    for (;;) {
      std::string out = text(longest);
      std::erase(out, '\0');
      if (out.size() >= shortest) return out;
    }
  }

  std::size_t below(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
  }

 private:
  std::mt19937_64 random_;
};

std::string folded(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<char>(reference_fold(c));
  return out;
}

TEST(MatcherProperty, agrees_with_the_reference_on_a_million_texts) {
  constexpr int kRuleSets = 2000;
  constexpr int kTextsPerSet = 500;
  Generator gen(20240229);
  for (int set = 0; set < kRuleSets; ++set) {
    std::vector<std::string> texts;
    std::vector<Entry> entries;
    std::unordered_set<std::string> seen;
    const std::size_t count = 1 + gen.below(8);
    texts.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const Kind kind = static_cast<Kind>(gen.below(3));
      std::string rule = gen.rule(kind == Kind::kWord ? 1 : 3, 7);
      // Equal rules of one kind: the first counts, which is the loader's affair and is tested
      // there.
      if (!seen.insert(std::to_string(static_cast<int>(kind)) + folded(rule)).second) continue;
      texts.push_back(std::move(rule));
      entries.push_back({.text = texts.back(),
                         .kind = kind,
                         .group = static_cast<std::uint8_t>(gen.below(64)),
                         .rule = static_cast<std::uint32_t>(i)});
    }
    const Tables tables = build(entries, 1 + gen.below(1 << 30));
    const Matcher matcher(tables.bytes());
    for (int i = 0; i < kTextsPerSet; ++i) {
      std::string text = gen.text(40);
      // Half of the texts get a rule put in, else most would hold none.
      if (!entries.empty() && gen.below(2) == 0) {
        text.insert(gen.below(text.size() + 1), entries[gen.below(entries.size())].text);
      }
      const std::size_t chunk = 1 + gen.below(gen.below(4) == 0 ? 100 : 9);
      const Hit want = reference_match_text(entries, text);
      const Hit got = matcher.match_text(text, chunk);
      ASSERT_EQ(want.flags, got.flags) << "set " << set << " text '" << text << "' chunk " << chunk;
      ASSERT_EQ(want.groups, got.groups)
          << "set " << set << " text '" << text << "' chunk " << chunk;
      ASSERT_EQ(want.rule, got.rule) << "set " << set << " text '" << text << "' chunk " << chunk;
    }
  }
}

TEST(MatcherProperty, finds_one_of_many_strings_at_every_place_of_a_huge_text) {
  std::vector<std::string> texts;
  for (int i = 0; i < 50'000; ++i)
    texts.push_back("pool-" + std::to_string(i) + ".example.org:3333");
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    entries.push_back(
        {.text = texts[i], .kind = Kind::kWord, .group = 0, .rule = static_cast<std::uint32_t>(i)});
  }
  const Tables tables = build(entries);
  const Matcher matcher(tables.bytes());
  std::string text(2 << 20, 'x');
  for (std::size_t i = 0; i < text.size(); i += 7) text[i] = ' ';
  EXPECT_FALSE(matcher.match_text(text).banned());
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{MATCH_CHUNK} - 12, std::size_t{MATCH_CHUNK} - 1,
        std::size_t{MATCH_CHUNK}, text.size() / 2, text.size() - 40}) {
    std::string with = text;
    const std::string& rule = texts[at % texts.size()];
    with.replace(at, rule.size() + 2, " " + rule + " ");
    const Hit hit = matcher.match_text(with);
    ASSERT_TRUE(hit.banned()) << at;
    EXPECT_EQ(texts[hit.rule], rule);
  }
}

TEST(Tables, refuse_more_states_than_a_node_should_hold) {
  std::vector<std::string> texts;
  std::vector<Entry> entries;
  const std::string dots(3990, '.');
  for (int i = 0; i < 4200; ++i) texts.push_back(std::to_string(i) + dots);
  for (const std::string& text : texts)
    entries.push_back({.text = text, .kind = Kind::kWord, .group = 0, .rule = 0});
  const Result<Tables> tables = build_tables(entries, {});
  ASSERT_FALSE(tables.has_value());
  EXPECT_EQ(tables.error().code, ExitCode::kConfig);
}

}  // namespace
}  // namespace cryptnono::match
