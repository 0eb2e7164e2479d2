#include "config/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "config/test_lines.h"

namespace cryptnono::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = Document::Kind;
using Style = Document::Style;

// The tree as text: scalars as <text>, and every value's position.
std::string dump(Document::Value value) {
  const Position at = value.position();
  std::string out = std::to_string(at.line) + ":" + std::to_string(at.column);
  switch (value.kind()) {
    case Kind::kScalar:
      return out + "<" + std::string(value.text()) + ">";
    case Kind::kSequence:
      out += "[";
      value.for_each_item([&](Document::Value item) { out += dump(item) + " "; });
      return out + "]";
    case Kind::kMapping:
      out += "{";
      value.for_each_entry([&](Document::Value key, Document::Value item) {
        out += dump(key) + "=" + dump(item) + " ";
      });
      return out + "}";
  }
  return out;
}

std::string parsed(std::string_view text) {
  Diagnostics diagnostics;
  const auto document = parse_document("f", text, diagnostics);
  for (const Diagnostic& error : diagnostics.take_errors()) return to_string(error);
  if (!document) return "nothing";
  return document->root() ? dump(*document->root()) : "empty";
}

std::vector<std::string> errors(std::string_view text) {
  Diagnostics diagnostics;
  static_cast<void>(parse_document("f", text, diagnostics));
  return lines(diagnostics.take_errors());
}

TEST(Document, KeepsPositionsOfYaml) {
  EXPECT_EQ(parsed("a: b\nlist:\n  - x\n  - 'y z'\n  - {k: [1]}\n"),
            "1:1{1:1<a>=1:4<b> 2:1<list>=3:3[3:5<x> 4:5<y z> 5:5{5:6<k>=5:9[5:10<1> ] } ] }");
}

TEST(Document, KeepsPositionsOfJson) {
  EXPECT_EQ(
      parsed("{\n\t\"a\":\t[\n\t\t\"x\",\"\\u00e9\", 12 ,\n\t\ttrue ], \"é\" : {\"b\":-1.5e3}}"),
      "1:1{2:2<a>=2:7[3:3<x> 3:7<\xc3\xa9> 3:17<12> 4:3<true> ] "
      "4:11<\xc3\xa9>=4:17{4:18<b>=4:22<-1.5e3> } }");
}

TEST(Document, EmptyTextsHaveNoRoot) {
  for (const char* text : {"", "\n", "  \n# only a comment\n", "\xef\xbb\xbf"}) {
    EXPECT_EQ(parsed(text), "empty") << text;
  }
}

TEST(Document, AcceptsCrlfAndByteOrderMark) {
  EXPECT_EQ(parsed("\xef\xbb\xbf"
                   "a: b\r\nc:\r\n  - d\r\n"),
            "1:1{1:1<a>=1:4<b> 2:1<c>=3:3[3:5<d> ] }");
  EXPECT_EQ(parsed("\xef\xbb\xbf{\r\n\"a\": \"b\"}"), "1:1{2:1<a>=2:6<b> }");
}

// What libyaml alone refuses or reads otherwise, and JSON writers write.
TEST(Document, ReadsAllOfJson) {
  const std::map<std::string, std::string> cases = {
      {R"({"a":"\ud83d\ude00"})", "1:1{1:2<a>=1:6<\xf0\x9f\x98\x80> }"},  // surrogates
      {R"({"a":"\/\b\f\n\r\t\"\\"})", "1:1{1:2<a>=1:6</\b\f\n\r\t\"\\> }"},
      {"{\"a\"\n:\"b\"}", "1:1{1:2<a>=2:2<b> }"},                          // colon on the next line
      {"{\"a\":\"x\x7fy\"}", "1:1{1:2<a>=1:6<x\x7fy> }"},                  // DEL
      {"{\"a\":\"x\xe2\x80\xa8y\"}", "1:1{1:2<a>=1:6<x\xe2\x80\xa8y> }"},  // a line break for YAML
      {"{\"a\":\"x\xc2\x85y\"}", "1:1{1:2<a>=1:6<x\xc2\x85y> }"},
      {"\t{\"a\":\"*b\"}", "1:2{1:3<a>=1:7<*b> }"},
  };
  for (const auto& [text, tree] : cases) EXPECT_EQ(parsed(text), tree) << text;
  const std::string key(5000, 'k');
  EXPECT_EQ(parsed("{\"" + key + "\":1}"), "1:1{1:2<" + key + ">=1:5005<1> }");
}

TEST(Document, TellsHowScalarsWereWritten) {
  const auto style = [](std::string_view text) {
    Diagnostics diagnostics;
    const auto document = parse_document("f", text, diagnostics);
    Style found = Style::kPlain;
    document->root()->for_each_entry(
        [&](Document::Value, Document::Value value) { found = value.style(); });
    return found;
  };
  EXPECT_EQ(style("a: 12"), Style::kPlain);
  EXPECT_EQ(style("a: '12'"), Style::kString);
  EXPECT_EQ(style("a: |\n  12\n"), Style::kString);
  EXPECT_EQ(style(R"({"a": "12"})"), Style::kString);
  EXPECT_EQ(style(R"({"a": 12})"), Style::kJsonLiteral);
  EXPECT_EQ(style("{a: 12}"), Style::kPlain) << "a flow mapping is YAML";
}

TEST(Document, FallsBackToYamlWhereJsonIsAlmostJson) {
  EXPECT_EQ(parsed("{\"a\": \"b\",} # comment"), "1:1{1:2<a>=1:7<b> }");
  // Neither: the message is about JSON, which it looks like.
  EXPECT_THAT(parsed("{\"a\": [\"b\"\n\"c\"]}"),
              HasSubstr("f:2:3: syntax error while parsing array"));
  EXPECT_THAT(parsed("{\"a\": \"b"), HasSubstr("missing closing quote"));
}

TEST(Document, FindsThePlaceOfAByteOfAScalar) {
  const auto place = [](std::string_view text, std::size_t offset) {
    Diagnostics diagnostics;
    const auto document = parse_document("f", text, diagnostics);
    Position found;
    document->root()->for_each_entry(
        [&](Document::Value, Document::Value value) { found = value.position_of(offset); });
    return found;
  };
  EXPECT_EQ(place("a: hello", 2), (Position{1, 6}));
  EXPECT_EQ(place("a: 'hello'", 2), (Position{1, 7}));
  EXPECT_EQ(place("a: \"h\xc3\xa9llo\"", 3), (Position{1, 7})) << "columns are characters";
  EXPECT_EQ(place(R"({"a": "hello"})", 2), (Position{1, 10}));
  // With escapes, or over several lines, only the beginning is known.
  EXPECT_EQ(place("a: 'it''s'", 3), (Position{1, 4}));
  EXPECT_EQ(place(R"(a: "x\ty")", 2), (Position{1, 4}));
  EXPECT_EQ(place("a: two\n  lines", 5), (Position{1, 4}));
  EXPECT_EQ(place(R"({"a": "\u0041x"})", 1), (Position{1, 7}));
}

TEST(Document, RefusesWhatYamlHasAndAConfigurationDoesNotNeed) {
  EXPECT_THAT(errors("a: &x b"), ElementsAre("f:1:4: anchors are not supported"));
  EXPECT_THAT(errors("a: &x [b]"), ElementsAre("f:1:4: anchors are not supported"));
  EXPECT_THAT(errors("a: *x"), ElementsAre(HasSubstr("f:1:4: aliases are not supported")));
  EXPECT_THAT(errors("a: !!str b"), ElementsAre("f:1:4: tags are not supported"));
  EXPECT_THAT(errors("a: !x {b: c}"), ElementsAre("f:1:4: tags are not supported"));
  EXPECT_THAT(errors("a: b\n---\nc: d\n"), ElementsAre("f:2:1: a second document; a file has one"));
  EXPECT_THAT(errors("[a]: b"), ElementsAre("f:1:1: a list or a mapping cannot be a key"));
}

TEST(Document, ReportsEveryDuplicateKeyWithBothPlaces) {
  EXPECT_THAT(errors("a: 1\nb: {x: 1, x: 2}\na: 3\n"),
              ElementsAre("f:3:1: the key \"a\" is given twice, first at 1:1",
                          "f:2:11: the key \"x\" is given twice, first at 2:5"));
  EXPECT_THAT(errors("{\"a\": 1,\n \"\\u0061\": 2}"),
              ElementsAre("f:2:2: the key \"a\" is given twice, first at 1:2"));
}

TEST(Document, LimitsDepth) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_THAT(errors(nested(kMaxDepth)), ElementsAre());
  EXPECT_THAT(errors(nested(kMaxDepth + 1)), ElementsAre("f:1:33: nested deeper than 32 levels"));
  EXPECT_THAT(errors(std::string(1'000'000, '[')),
              ElementsAre("f:1:33: nested deeper than 32 levels"));
  std::string json;
  for (int i = 0; i < 100'000; ++i) json += "{\"a\":";
  EXPECT_THAT(errors(json), ElementsAre("f:1:161: nested deeper than 32 levels"));
}

TEST(Document, NamesThePlaceOfASyntaxError) {
  EXPECT_THAT(errors("a:\n\t- b\n"),
              ElementsAre(testing::AllOf(HasSubstr("f:2:1: "), HasSubstr("a tab"))));
  EXPECT_THAT(errors("a: 'b\nc: d\n"),
              ElementsAre("f:3:1: found unexpected end of stream, while scanning a quoted scalar "
                          "that began at 1:4"));
  EXPECT_THAT(errors("a: \"b\nc: d\n"), ElementsAre(HasSubstr("began at 1:4")));
  EXPECT_THAT(errors("a: b\n c: d"),
              ElementsAre(HasSubstr("f:2:3: mapping values are not allowed")));
}

TEST(Document, RefusesWhatIsNoText) {
  EXPECT_THAT(errors("a: b\nc: \xff"), ElementsAre("f:2:4: not UTF-8 (byte 0xff)"));
  EXPECT_THAT(errors("{\"a\": \"\xed\xa0\x80\"}"), ElementsAre("f:1:8: not UTF-8 (byte 0xed)"));
  EXPECT_THAT(errors(std::string_view("a: b\0c", 6)),
              ElementsAre("f:1:5: a NUL byte; is this a text file?"));
  EXPECT_THAT(errors(std::string_view("{\"a\":1}\0x", 9)),
              ElementsAre(HasSubstr("f:1:8: a NUL byte")));
  EXPECT_THAT(errors("a: \x01"), ElementsAre("f:1:4: control characters are not allowed (0x01)"));
  EXPECT_THAT(errors("\xff\xfe"
                     "a"),
              ElementsAre("f:1:1: not UTF-8 (byte 0xff)"));
  std::string garbage;
  for (unsigned i = 0; i < 4096; ++i) garbage += static_cast<char>((i * 2654435761U) >> 24);
  EXPECT_EQ(errors(garbage).size(), 1U);
}

TEST(Document, LimitsTheSize) {
  EXPECT_THAT(errors(std::string(kMaxDocumentBytes + 1, ' ')),
              ElementsAre("f: larger than 64 MiB"));
}

TEST(Document, TakesAHugeScalar) {
  const std::string huge(8 << 20, 'x');
  EXPECT_EQ(parsed("a: '" + huge + "'"), "1:1{1:1<a>=1:4<" + huge + "> }");
}

TEST(Diagnostics, CountsWhatItDoesNotKeep) {
  Diagnostics diagnostics;
  for (int i = 0; i < 250; ++i) diagnostics.error("f", {1, 1}, "bad");
  const auto list = diagnostics.take_errors();
  ASSERT_EQ(list.size(), kMaxDiagnostics + 1);
  EXPECT_EQ(to_string(list.back()), "and 150 more errors");
}

TEST(Diagnostics, ValuesAreShownWithoutDrivingTheTerminal) {
  EXPECT_EQ(show_value("a\"b\\"), R"("a\"b\\")");
  EXPECT_EQ(show_value("\x1b[2J\n\x7f\xff"), R"("\x1b[2J\x0a\x7f\xff")");
  EXPECT_EQ(show_value("\xc2\x9b"), R"("\u009b")");
  EXPECT_EQ(show_value("\xc3\xa9"), "\"\xc3\xa9\"");
  EXPECT_EQ(show_value(std::string(61, 'x')), "\"" + std::string(60, 'x') + "\"...");
}

TEST(Diagnostics, SuggestsTheNearestName) {
  const std::vector<std::string_view> known = {"bannedCommandStrings", "dryRun", "log"};
  EXPECT_EQ(nearest("bannedCommandString", known), "bannedCommandStrings");
  EXPECT_EQ(nearest("DryRun", known), "dryRun");
  EXPECT_EQ(nearest("dry_run", known), "dryRun");
  EXPECT_EQ(nearest("completely", known), "");
  EXPECT_EQ(nearest("x", known), "");
}

}  // namespace
}  // namespace cryptnono::config
