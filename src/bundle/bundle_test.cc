#include "bundle/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace cryptnono::bundle {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

Bundle example() {
  return {.made_by = "cryptnono 0.1.0",
          .files = {{.path = "rules/pools.yaml",
                     .role = Role::kRules,
                     .text = "bannedCommandStrings: [\"secret \\\" word\"]\n"},
                    {.path = "seeds/pools.yaml", .role = Role::kSeeds, .text = "groups: []\n\tü"},
                    {.path = "provenance/pools", .role = Role::kProvenance, .text = "{}"},
                    {.path = "tests/ci.yaml", .role = Role::kTests, .text = ""}},
          .recipes = {{.rules = "rules/pools.yaml",
                       .seeds = {"seeds/pools.yaml"},
                       .settings = {},
                       .decisions = "provenance/pools"}}};
}

json example_json() { return json::parse(*to_json(example())); }

std::string error_of(const json& value) {
  const Result<Bundle> read = from_json(value.dump());
  return read ? "" : read.error().message;
}

TEST(BundleTest, ComesBackAsItWas) {
  const auto text = to_json(example());
  ASSERT_TRUE(text.has_value());
  const auto back = from_json(*text);
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(*back, example());
  EXPECT_EQ(*to_json(*back), *text);
}

TEST(BundleTest, ANameOnlyOfPlainCharacters) {
  EXPECT_EQ(path_of(Role::kRules, "/etc/cryptnono/pools-2.yaml"), "rules/pools-2.yaml");
  EXPECT_EQ(path_of(Role::kDocument, "README"), "documents/README");
  for (const char* wrong : {"", "/etc/", "..", ".hidden", "a b", "ü.yaml"})
    EXPECT_FALSE(path_of(Role::kRules, wrong).has_value()) << wrong;
  EXPECT_FALSE(path_of(Role::kRules, std::string(129, 'a')).has_value());
}

TEST(BundleTest, WritesNothingThatItCouldNotRead) {
  Bundle twice = example();
  twice.files.push_back(twice.files[0]);
  EXPECT_THAT(to_json(twice).error().message, HasSubstr("two files would be rules/pools.yaml"));
  Bundle bytes = example();
  bytes.files[0].text = "\xff secret";
  EXPECT_EQ(to_json(bytes).error().message, "a file is not UTF-8 text");
}

TEST(BundleTest, RefusesPathsThatLeadElsewhere) {
  for (const char* path : {"rules/../../etc/passwd", "/etc/passwd", "rules/", "rules/.bashrc",
                           "rules/a/b", "seeds/a", "x", "", "rules/a\nb"}) {
    json value = example_json();
    value["files"][0]["path"] = path;
    EXPECT_THAT(error_of(value), HasSubstr("a path in it leads elsewhere")) << path;
  }
}

TEST(BundleTest, NoticesWhatWasAltered) {
  json value = example_json();
  value["files"][0]["text"] = "bannedCommandStrings: [other]\n";
  EXPECT_THAT(error_of(value), HasSubstr("rules/pools.yaml is not what its SHA-256 says"));
  value = example_json();
  value["files"].erase(1);
  EXPECT_THAT(error_of(value), HasSubstr("names files that are not in it"));
  value = example_json();
  value["files"].push_back(value["files"][0]);
  EXPECT_THAT(error_of(value), HasSubstr("a path stands twice"));
}

TEST(BundleTest, SaysWhatIsWrongAndQuotesNothing) {
  const std::string good = *to_json(example());
  for (const std::string& text :
       {std::string("secret"), std::string(), good.substr(0, good.size() / 2), std::string("[1]"),
        std::string(100000, '['), std::string(R"({"format": {"secret": 1}})"),
        std::string(R"({"format": "cryptnono-bundle/1", "made_by": "x", "files": ["secret"]})"),
        std::string(R"({"format": "cryptnono-bundle/2"})")}) {
    const auto read = from_json(text);
    ASSERT_FALSE(read.has_value()) << text.substr(0, 80);
    EXPECT_EQ(read.error().code, ExitCode::kConfig);
    EXPECT_THAT(read.error().message, HasSubstr("not a bundle that can be used: "));
    EXPECT_THAT(read.error().message, Not(HasSubstr("secret")));
  }
  for (const char* key : {"path", "role", "sha256", "text"}) {
    for (const json& other : {json(7), json(), json::array(), json("other")}) {
      json value = example_json();
      value["files"][0][key] = other;
      EXPECT_NE(error_of(value), "") << key << other;
    }
    json value = example_json();
    value["files"][0].erase(key);
    EXPECT_THAT(error_of(value), HasSubstr("a key is missing or has the wrong type")) << key;
  }
}

TEST(BundleTest, BoundsTheFiles) {
  json value = example_json();
  for (std::size_t i = 0; i < kMaxFiles; ++i) value["files"].push_back(json::object());
  EXPECT_THAT(error_of(value), HasSubstr("too many files"));
}

TEST(BundleTest, SaysHowToGoOn) {
  const std::string text = how_to(example());
  EXPECT_THAT(text, HasSubstr("cryptnono rules generate -s seeds/pools.yaml --decisions "
                              "provenance/pools -o new.yaml && cmp new.yaml rules/pools.yaml"));
  EXPECT_THAT(text, HasSubstr("| `tests/ci.yaml` |"));
}

}  // namespace
}  // namespace cryptnono::bundle
