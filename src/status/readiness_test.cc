#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "status/status.h"

namespace cryptnono::status {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Detector detector(const std::string& name, bool up, const std::string& canary = "off",
                  const std::string& why = "") {
  Detector out;
  out.name = name;
  out.enabled = true;
  out.up = up;
  out.canary = {.result = canary, .why = why};
  return out;
}

Detector unavailable(const std::string& name) {
  Detector out = detector(name, false);
  out.unavailable = true;
  out.why = "no BTF";
  return out;
}

TEST(Readiness, is_there_when_all_that_is_wanted_is_up) {
  Detector off;
  off.name = "tcpflowkiller";
  EXPECT_THAT(reasons_not_ready(
                  true, {detector("execwhacker", true), detector("monero", true, "passed"), off}),
              IsEmpty());
  EXPECT_THAT(reasons_not_ready(true, {off}), IsEmpty());
  EXPECT_THAT(reasons_not_ready(false, {off}), ElementsAre("the start is not complete"));
}

TEST(Readiness, waits_for_the_first_canary) {
  EXPECT_THAT(
      reasons_not_ready(true, {detector("a", true, "pending"), detector("b", false, "pending")}),
      ElementsAre("b: no canary has been run yet", "a: no canary has been run yet"));
}

TEST(Readiness, is_lost_with_a_canary_that_lives) {
  EXPECT_THAT(reasons_not_ready(true, {detector("a", false, "survived", "after 2 s"),
                                       detector("b", true, "passed")}),
              ElementsAre("a: the last canary survived: after 2 s"));
  EXPECT_THAT(reasons_not_ready(true, {detector("a", false, "untold")}),
              ElementsAre("a: the last canary untold"));
  EXPECT_THAT(reasons_not_ready(true, {detector("a", true, "unavailable")}), IsEmpty());
}

TEST(Readiness, does_not_need_what_cannot_be_had_while_another_is_up) {
  EXPECT_THAT(reasons_not_ready(true, {unavailable("monero"), detector("execwhacker", true)}),
              IsEmpty());
  EXPECT_THAT(reasons_not_ready(true, {unavailable("monero"), unavailable("execwhacker")}),
              ElementsAre("monero cannot run here: no BTF", "execwhacker cannot run here: no BTF"));
}

TEST(Readiness, names_a_detector_that_is_down_without_a_reason) {
  EXPECT_THAT(reasons_not_ready(true, {detector("execwhacker", false)}),
              ElementsAre("execwhacker is not up"));
}

}  // namespace
}  // namespace cryptnono::status
