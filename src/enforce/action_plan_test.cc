#include "enforce/action_plan.h"

#include <gtest/gtest.h>

namespace cryptnono::enforce {
namespace {

using enum config::Action;
using MaybeAction = std::optional<config::Action>;

TEST(ActionPlan, covers_every_combination_that_the_documentation_states) {
  struct Case {
    config::Action detector;
    MaybeAction group, of_namespace, escalation;
    bool dry_run;
    config::Action expected;
  };
  const MaybeAction none;
  for (const Case& each : {
           Case{kKill, none, none, none, false, kKill},
           Case{kReport, none, none, none, false, kReport},
           Case{kKillTree, none, none, none, false, kKillTree},
           // a group's replaces the detector's, both ways
           Case{kKill, kReport, none, none, false, kReport},
           Case{kReport, kKillContainer, none, none, false, kKillContainer},
           // escalation only raises, and only what kills
           Case{kKill, none, none, kKillContainer, false, kKillContainer},
           Case{kKillContainer, none, none, kKillTree, false, kKillContainer},
           Case{kReport, none, none, kKillContainer, false, kReport},
           Case{kKill, kReport, none, kKillContainer, false, kReport},
           // a namespace's counts alone, both ways
           Case{kKillContainer, kKillTree, kReport, kKillContainer, false, kReport},
           Case{kKill, none, kKill, kKillContainer, false, kKill},
           Case{kReport, kReport, kKillContainer, none, false, kKillContainer},
           // and a dry run is one
           Case{kKillContainer, kKillContainer, kKillContainer, kKillContainer, true, kReport},
       }) {
    EXPECT_EQ(effective_action({.detector = each.detector,
                                .group = each.group,
                                .namespace_action = each.of_namespace,
                                .escalation = each.escalation,
                                .dry_run = each.dry_run}),
              each.expected);
  }
}

}  // namespace
}  // namespace cryptnono::enforce
