#include "enforce/responder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>

#include "enforce/test_victims.h"

namespace cryptnono::enforce {
namespace {

using config::Action;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Killers that note what is asked of them; the first kill waits until it may go on.
class ResponderTest : public testing::Test {
 protected:
  Responder::Killers killers() {
    return {.tree =
                [this](const std::vector<ProcessId>& roots) {
                  note("tree " + std::to_string(roots.size()));
                  return tree_;
                },
            .container =
                [this](const std::string& cgroup) {
                  note(cgroup);
                  return container_;
                }};
  }
  void note(std::string what) {
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(std::move(what));
    }
    go_on_.get_future().wait();
    go_on_ = std::promise<void>();
    go_on_.set_value();
  }
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  Incident incident(Action action, std::string cgroup = {}) {
    return {.action = action,
            .tree_roots = {{.pid = 7, .start_ticks = 1}},
            .container_cgroup = std::move(cgroup),
            .done = [this](const Response& response) {
              const std::lock_guard lock(mutex_);
              responses_.push_back(response);
            }};
  }
  std::vector<Response> responses(std::size_t count) {
    wait_for([&] {
      const std::lock_guard lock(mutex_);
      return responses_.size() >= count;
    });
    const std::lock_guard lock(mutex_);
    return responses_;
  }

  KillResult tree_{.killed = 2, .complete = true, .failed_why = {}};
  KillResult container_{.killed = 5, .complete = true, .failed_why = {}};
  std::promise<void> go_on_;
  std::mutex mutex_;
  std::vector<std::string> asked_;
  std::vector<Response> responses_;
};

TEST_F(ResponderTest, IncidentsOfOneContainerThatWaitAreAnsweredByOneKill) {
  Responder responder(killers());
  responder.respond(incident(Action::kKillTree));  // the thread is at it
  ASSERT_TRUE(wait_for([&] { return asked().size() == 1; }));
  responder.respond(incident(Action::kKillContainer, "/a"));
  responder.respond(incident(Action::kKillContainer, "/b"));
  responder.respond(incident(Action::kKillContainer, "/a"));
  responder.respond(incident(Action::kKillTree, "/a"));
  responder.respond(incident(Action::kKillContainer, "/a"));
  go_on_.set_value();
  const auto all = responses(6);
  ASSERT_EQ(all.size(), 6U);
  EXPECT_THAT(asked(), ElementsAre("tree 1", "/a", "/b", "tree 1"));
  const auto counters = responder.counters();
  EXPECT_EQ(counters.responses[static_cast<std::size_t>(Action::kKillContainer)], 4U);
  EXPECT_EQ(counters.responses[static_cast<std::size_t>(Action::kKillTree)], 2U);
  EXPECT_EQ(counters.killed, 2U + 5 + 5 + 2);
  EXPECT_EQ(counters.failures, 0U);
  EXPECT_EQ(counters.dropped, 0U);
}

TEST_F(ResponderTest, WithoutAContainerItIsTheTree) {
  Responder responder(killers());
  go_on_.set_value();
  responder.respond(incident(Action::kKillContainer));
  const auto all = responses(1);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].action, Action::kKillTree);
  EXPECT_TRUE(all[0].complete);
  EXPECT_EQ(all[0].failed_why, "it is in no container");
  EXPECT_THAT(asked(), ElementsAre("tree 1"));
}

TEST_F(ResponderTest, AContainerThatIsRefusedLeavesTheTree) {
  container_ = {.killed = 0, .complete = false, .failed_why = "refused"};
  tree_ = {.killed = 2, .complete = false, .failed_why = "late"};
  Responder responder(killers());
  go_on_.set_value();
  responder.respond(incident(Action::kKillContainer, "/a"));
  const auto all = responses(1);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].action, Action::kKillTree);
  EXPECT_EQ(all[0].killed, 2U);
  EXPECT_FALSE(all[0].complete);
  EXPECT_EQ(all[0].failed_why, "refused; late");
  EXPECT_THAT(asked(), ElementsAre("/a", "tree 1"));
  EXPECT_EQ(responder.counters().failures, 1U);
}

TEST_F(ResponderTest, WhatDoesNotFitIsDroppedAndTold) {
  Responder responder(killers(), 2);
  responder.respond(incident(Action::kKillTree));
  ASSERT_TRUE(wait_for([&] { return asked().size() == 1; }));
  for (int i = 0; i < 3; ++i) responder.respond(incident(Action::kKillTree));
  const auto dropped = responses(1);
  ASSERT_EQ(dropped.size(), 1U) << "at once, while the first kill still goes on";
  EXPECT_FALSE(dropped[0].complete);
  EXPECT_THAT(dropped[0].failed_why, HasSubstr("too many"));
  EXPECT_EQ(responder.counters().dropped, 1U);
  go_on_.set_value();
  EXPECT_EQ(responses(4).size(), 4U);
}

TEST_F(ResponderTest, TheEndDropsWhatWaits) {
  {
    Responder responder(killers());
    responder.respond(incident(Action::kKillTree));
    ASSERT_TRUE(wait_for([&] { return asked().size() == 1; }));
    responder.respond(incident(Action::kKillTree));
    std::jthread later([this] {
      usleep(50'000);
      go_on_.set_value();
    });
  }
  const auto all = responses(2);
  ASSERT_EQ(all.size(), 2U);
}

TEST_F(ResponderTest, WhatIsDoneAlreadyIsNotDoneAgain) {
  Responder responder(killers());
  responder.respond(incident(Action::kKill));
  responder.respond(incident(Action::kReport));
  EXPECT_EQ(responses(2).size(), 2U);
  EXPECT_THAT(asked(), IsEmpty());
  responder.respond(
      {.action = Action::kKill, .tree_roots = {}, .container_cgroup = {}, .done = {}});
}

TEST(Responder, KillsRealTreesAndContainers) {
  const TestCgroup cgroup;
  if (cgroup.path().empty()) GTEST_SKIP() << "no cgroup v2 to make cgroups in (needs root)";
  Victims victims;
  const ProcessId tree = victims.start();
  const ProcessId inside = victims.start([&] {
    cgroup.enter();
    victims.tell(0);
  });
  victims.told(0);
  std::promise<Response> first, second;
  Responder responder(spare_self);
  responder.respond({.action = Action::kKillTree,
                     .tree_roots = {tree},
                     .container_cgroup = {},
                     .done = [&](const Response& response) { first.set_value(response); }});
  responder.respond({.action = Action::kKillContainer,
                     .tree_roots = {},
                     .container_cgroup = cgroup.path(),
                     .done = [&](const Response& response) { second.set_value(response); }});
  EXPECT_TRUE(first.get_future().get().complete);
  EXPECT_FALSE(is_alive(tree));
  EXPECT_EQ(second.get_future().get().action, Action::kKillContainer);
  EXPECT_FALSE(is_alive(inside));
}

}  // namespace
}  // namespace cryptnono::enforce
