#include "config/webhook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/load.h"
#include "config/test_lines.h"

namespace cryptnono::config {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const std::string kRules = "bannedCommandStrings: [abc]\n";

std::vector<std::string> errors(const std::string& text) {
  const LoadResult result = load_text("f", kRules + text);
  return result ? std::vector<std::string>() : lines(result.error());
}

std::vector<std::string> warnings(const std::string& text) {
  const LoadResult result = load_text("f", kRules + text);
  return result ? lines(result->warnings) : lines(result.error());
}

class WebhookConfigTest : public testing::Test {
 protected:
  WebhookConfigTest() {
    std::string name = fs::temp_directory_path() / "webhook_test.XXXXXX";
    root_ = ::mkdtemp(name.data());
  }
  ~WebhookConfigTest() override { fs::remove_all(root_); }

  std::string write(const std::string& text) {
    std::ofstream(root_ / "secret") << text;
    return root_ / "secret";
  }

  fs::path root_;
};

TEST_F(WebhookConfigTest, WithoutASectionNobodyIsTold) {
  const LoadResult loaded = load_text("f", kRules);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->config.webhook, Webhook());
  EXPECT_THAT(loaded->config.webhook.actions, ElementsAre("killed"));
}

TEST_F(WebhookConfigTest, ReadsEveryKey) {
  const std::string secret = write("s3cret\n");
  const LoadResult loaded = load_text(
      "f", kRules + "webhook: {url: \"https://hub.example.org/x?y=1\", secretFile: " + secret +
               ", actions: [killed, missed-kill, reported, limited, failed, spared], "
               "timeout: 60, caFile: /etc/ca.pem}\n");
  ASSERT_TRUE(loaded) << lines(loaded.error()).front();
  EXPECT_THAT(loaded->warnings, IsEmpty());
  const Webhook& webhook = loaded->config.webhook;
  EXPECT_EQ(webhook.url, "https://hub.example.org/x?y=1");
  EXPECT_EQ(webhook.secret, "s3cret");
  EXPECT_EQ(webhook.actions.size(), 6U);
  EXPECT_EQ(webhook.timeout_s, 60U);
  EXPECT_EQ(webhook.ca_file, "/etc/ca.pem");
}

TEST_F(WebhookConfigTest, WhatIsNoUrlOrHasAUserIsAnErrorThatDoesNotQuoteIt) {
  for (const char* url : {"ftp://h/", "file:///etc/passwd", "h.example.org", "https://", "",
                          "http://user:hidden@h/", "http://user@h/", "http://h:99999/",
                          "http://a b/", "http://h/a b", "http://h\\nX: y/", "http://[::1/"}) {
    EXPECT_THAT(errors(std::string("webhook: {url: \"") + url + "\"}\n"),
                ElementsAre(AllOf(StartsWith("f:2:16: webhook.url must be a URL"),
                                  Not(HasSubstr("hidden")))))
        << url;
  }
}

TEST_F(WebhookConfigTest, PlainHttpIsWarnedOfUnlessItStaysOnTheMachine) {
  for (const char* url : {"http://127.0.0.1:8000/", "http://localhost/x", "http://[::1]:8000/",
                          "https://hub.example.org/"})
    EXPECT_THAT(warnings(std::string("webhook: {url: \"") + url + "\"}\n"), IsEmpty()) << url;
  for (const char* url : {"http://hub.example.org/", "http://127.0.0.1.example.org/",
                          "http://10.0.0.1/", "http://[::2]/"})
    EXPECT_THAT(warnings(std::string("webhook: {url: \"") + url + "\"}\n"),
                ElementsAre(StartsWith("f:2:16: webhook.url is not encrypted")))
        << url;
}

TEST_F(WebhookConfigTest, ASecretThatCannotBeHadIsAnError) {
  EXPECT_THAT(
      errors("webhook: {secretFile: /nonexistent/secret}\n"),
      ElementsAre(AllOf(StartsWith("f:2:23: webhook.secretFile: "), HasSubstr("No such file"))));
  EXPECT_THAT(errors("webhook: {secretFile: relative}\n"),
              ElementsAre(HasSubstr("must be an absolute path")));
  for (const char* content : {"", "\n", "\r\n"}) {
    EXPECT_THAT(errors("webhook: {secretFile: " + write(content) + "}\n"),
                ElementsAre(AllOf(StartsWith("f:2:23: "), HasSubstr("is empty"))));
  }
  EXPECT_THAT(errors("webhook: {secretFile: " + write(std::string(4097, 'x')) + "}\n"),
              ElementsAre(HasSubstr("more than 4096 bytes")));
}

TEST_F(WebhookConfigTest, WrongValuesSayWhatWouldBeRight) {
  EXPECT_THAT(errors("webhook:\n  actions: [kiled]\n  timeout: 0\n  caFile: x\n  uri: y\n"),
              ElementsAre(AllOf(StartsWith("f:3:13: "), HasSubstr("one of killed, missed-kill")),
                          AllOf(StartsWith("f:4:12: "), HasSubstr("from 1 to 60 seconds")),
                          AllOf(StartsWith("f:5:11: "), HasSubstr("absolute path")),
                          AllOf(StartsWith("f:6:3: "), HasSubstr("did you mean url?"))));
  EXPECT_THAT(errors("webhook: {actions: [killed, killed]}\n"), ElementsAre(HasSubstr("twice")));
  EXPECT_THAT(errors("webhook: {actions: killed}\n"), ElementsAre(HasSubstr("must be a list")));
}

TEST_F(WebhookConfigTest, WithoutAUrlThereIsAWarning) {
  EXPECT_THAT(warnings("webhook: {timeout: 7}\n"), ElementsAre(HasSubstr("webhook has no url")));
}

TEST_F(WebhookConfigTest, ALogThatLeavesEventsOutIsWarnedOf) {
  EXPECT_THAT(warnings("log: {level: warning}\nwebhook: {url: \"https://h/\"}\n"),
              ElementsAre(HasSubstr("is not told")));
}

}  // namespace
}  // namespace cryptnono::config
