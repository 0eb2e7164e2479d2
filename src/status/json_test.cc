#include "status/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "status/test_status.h"

namespace cryptnono::status {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TEST(StatusJson, has_the_fields_of_the_document) {
  const json out = json::parse(to_json(full_status()));
  EXPECT_EQ(out["version"], "0.1.0");
  EXPECT_EQ(out["now"], 1'764'000'123.5);
  EXPECT_EQ(out["ready"], false);
  EXPECT_EQ(out["not_ready"], json({"monero: the last canary survived"}));
  EXPECT_EQ(out["config"],
            json::parse(R"({"generation": 3, "loaded_at": 1764000001, "last_reload_ok": false,
    "last_reload_errors": ["/etc/a.yaml:1:2: wrong"], "files": ["/etc/a.yaml"], "dry_run": true, "scope_cgroups": 2})"));
  EXPECT_EQ(out["detectors"][0], json::parse(R"({"name": "execwhacker", "enabled": true, "up": true,
    "hook": "killed in the kernel at exec", "why": "", "rules": {"banned": 6120, "allowed-pattern": 2},
    "canary": {"result": "passed", "at": 1764000100, "passed_at": 1764000100, "lived_ms": 0.4, "why": ""},
    "counts": {"checked": 100, "killed": 11, "reported": 12, "spared": 13, "protected": 14, "missed": 15, "failed": 16, "suppressed": 17},
    "lost": {"events-ring-full": 18},
    "limit": {"targets": 20, "max_targets": 20, "window_s": 60, "reached": true}})"));
  EXPECT_EQ(out["detectors"][1]["limit"]["targets"], json());
  EXPECT_EQ(out["missing"][0]["remedy"], "add CAP_SYS_NICE");
  EXPECT_EQ(out["history"], json::parse(R"({"step_s": 10, "until": 1764000130,
    "series": {"execwhacker": {"killed": [0, 1], "reported": [2, 0], "lost": [0, 3]}}})"));
  EXPECT_EQ(
      out["rollouts"][0],
      json::parse(R"({"group": "pools", "would": "kill-tree", "reports": true, "until": 1798070400,
    "clean_days": 7, "clean_s": 90000, "would_have_killed": 3, "last_would_at": 1763910123})"));
  EXPECT_EQ(out["rollouts"][1]["reports"], false);
  const json& kill = out["kills"][0];
  EXPECT_EQ(kill["at"], 1'764'000'050.25);
  EXPECT_EQ(kill["latency_us"], 14.2);
  EXPECT_EQ(kill["details"]["pid"], 7);
  EXPECT_EQ(out["details"], true);
}

TEST(StatusJson, is_ascii_on_one_line_whatever_strangers_write) {
  const std::string text = to_json(full_status());
  EXPECT_TRUE(
      std::all_of(text.begin(), text.end() - 1, [](char c) { return c >= 0x20 && c < 0x7f; }));
  EXPECT_EQ(text.back(), '\n');
}

TEST(StatusJson, tells_nothing_of_who_without_details) {
  Status status = full_status();
  status.details = false;
  const std::string text = to_json(status);
  EXPECT_THAT(text, Not(HasSubstr("owned")));
  EXPECT_THAT(text, Not(HasSubstr("cmdline")));
  EXPECT_THAT(text, Not(HasSubstr("hub")));
  EXPECT_THAT(text, Not(HasSubstr("1000,")));
  EXPECT_FALSE(json::parse(text)["kills"][0].contains("details"));
}

TEST(StatusJson, leaves_out_what_is_not_known_of_a_container) {
  Status status = full_status();
  status.kills[0].who = {.cmdline = "x", .pid = 1, .uid = 2, .executable = "/x"};
  EXPECT_EQ(json::parse(to_json(status))["kills"][0]["details"],
            json::parse(R"({"cmdline": "x", "pid": 1, "uid": 2, "executable": "/x"})"));
}

TEST(StatusJson, comes_back_as_it_was) {
  const std::string text = to_json(full_status());
  const Result<Status> status = from_json(text);
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_EQ(to_json(*status), text);
}

TEST(StatusJson, of_another_version_is_read_as_far_as_it_goes) {
  const Result<Status> status =
      from_json(R"({"detectors": [{"name": "new", "more": 1}], "kills": null, "x": []})");
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_EQ(status->detectors[0].name, "new");
  for (const std::string_view text :
       {"", "{", "[]", "{}", "null", R"({"detectors": 7, "version": []})",
        R"({"detectors": [{"name": 7}]})", R"({"detectors": [], "uptime_s": "x"})"})
    EXPECT_FALSE(from_json(text).has_value()) << text;
}

}  // namespace
}  // namespace cryptnono::status
