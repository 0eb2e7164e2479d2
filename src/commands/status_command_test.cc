#include "commands/status_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/result.h"
#include "http/server.h"
#include "status/json.h"

namespace cryptnono::commands {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class StatusCommandTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string form = "/tmp/cryptnono-status-XXXXXX";
    ASSERT_NE(::mkdtemp(form.data()), nullptr);
    root_ = form;
    socket_ = root_ + "/control.sock";
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(root_);
  }

  void serve(http::Response response) {
    auto socket = http::ControlSocket::open(socket_);
    ASSERT_TRUE(socket.has_value()) << socket.error().message;
    auto server = http::Server::start(
        {}, [response = std::move(response)](const http::Request&) { return response; },
        *std::move(socket));
    ASSERT_TRUE(server.has_value());
    server_ = *std::move(server);
  }
  ExitCode run(bool json = false) {
    out_.str("");
    err_.str("");
    return static_cast<ExitCode>(
        run_status({.socket = socket_, .json = json, .watch_s = {}}, out_, err_));
  }

  std::string root_, socket_;
  std::unique_ptr<http::Server> server_;
  std::ostringstream out_, err_;
};

TEST_F(StatusCommandTest, tells_ready_from_not_ready) {
  status::Status status;
  status.node = "node-1";
  serve({.body = to_json(status)});
  EXPECT_EQ(run(), ExitCode::kOk);
  EXPECT_THAT(out_.str(), StartsWith("READY  node-1"));
  server_.reset();
  status.not_ready = {"monero: the last canary survived"};
  serve({.body = to_json(status)});
  EXPECT_EQ(run(), ExitCode::kNotReady);
  EXPECT_THAT(out_.str(), HasSubstr("NOT READY  node-1"));
  EXPECT_THAT(out_.str(), HasSubstr("\n  monero: the last canary survived\n"));
  EXPECT_EQ(run(true), ExitCode::kNotReady);
  EXPECT_EQ(out_.str(), to_json(status));
  EXPECT_THAT(err_.str(), IsEmpty());
}

TEST_F(StatusCommandTest, alive_is_what_healthz_says) {
  std::string asked;
  auto socket = http::ControlSocket::open(socket_);
  ASSERT_TRUE(socket.has_value()) << socket.error().message;
  int status = 200;
  auto server = http::Server::start(
      {},
      [&](const http::Request& request) -> http::Response {
        asked = request.path;
        return {.status = status, .body = "ok\n"};
      },
      *std::move(socket));
  ASSERT_TRUE(server.has_value());
  server_ = *std::move(server);
  const StatusCommand command{.socket = socket_, .alive = true, .watch_s = {}};
  EXPECT_EQ(static_cast<ExitCode>(run_status(command, out_, err_)), ExitCode::kOk);
  EXPECT_EQ(asked, "/healthz");
  EXPECT_EQ(out_.str(), "ok\n");
  status = 503;
  EXPECT_EQ(static_cast<ExitCode>(run_status(command, out_, err_)), ExitCode::kFailure);
}

TEST_F(StatusCommandTest, says_so_where_nobody_answers) {
  EXPECT_EQ(run(), ExitCode::kNoDaemon);
  EXPECT_EQ(
      err_.str(),
      socket_ +
          ": there is no control socket; does the daemon run, and is control.socket set so?\n");
  EXPECT_THAT(out_.str(), IsEmpty());
  socket_ += "\x1b[2J";
  EXPECT_EQ(run(), ExitCode::kNoDaemon);
  EXPECT_THAT(err_.str(), HasSubstr("control.sock\\x1b[2J: "));
}

TEST_F(StatusCommandTest, says_so_where_the_answer_is_none) {
  serve({.body = "# HELP something else\n"});
  EXPECT_EQ(run(), ExitCode::kFailure);
  EXPECT_THAT(err_.str(), StartsWith(socket_ + ": this is no status"));
  server_.reset();
  serve({.status = 503, .body = "no\n"});
  EXPECT_EQ(run(), ExitCode::kFailure);
  EXPECT_EQ(err_.str(), socket_ + ": the daemon answered 503\n");
  server_.reset();
  serve({.status = 403, .body = "no\n"});
  EXPECT_EQ(run(), ExitCode::kNotPermitted);
  EXPECT_EQ(err_.str(), socket_ + ": only root may ask the daemon\n");
}

TEST_F(StatusCommandTest, takes_no_answer_without_an_end) {
  serve({.body = std::string(std::size_t{9} << 20, 'x')});
  EXPECT_EQ(run(), ExitCode::kNoDaemon);
  EXPECT_THAT(err_.str(), HasSubstr(": no answer: "));
}

}  // namespace
}  // namespace cryptnono::commands
