#include "commands/execwhacker_flags.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace cryptnono::commands {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

app::RunOptions parsed(std::vector<std::string> arguments) {
  CLI::App app;
  app::RunOptions options;
  add_execwhacker_flags(app, options);
  std::reverse(arguments.begin(), arguments.end());
  app.parse(arguments);
  return options;
}

TEST(ExecwhackerFlagsTest, SetWhatTheDaemonsOwnOptionsSet) {
  const app::RunOptions options =
      parsed({"--debug", "--scan-existing", "600", "--serve-metrics-port=12121"});
  EXPECT_THAT(options.log_level, Optional(config::LogLevel::kDebug));
  EXPECT_THAT(options.scan_interval_s, Optional(600.0));
  EXPECT_THAT(options.metrics_listen, ElementsAre(":12121"));
}

TEST(ExecwhackerFlagsTest, NoneMeansTheDaemonsDefaults) {
  const app::RunOptions options = parsed({});
  EXPECT_FALSE(options.log_level);
  EXPECT_FALSE(options.scan_interval_s);
  EXPECT_THAT(options.metrics_listen, IsEmpty());
  EXPECT_THAT(parsed({"--serve-metrics-port=0"}).metrics_listen, IsEmpty());
}

TEST(ExecwhackerFlagsTest, AcceptsWhatHasNoEffect) {
  const app::RunOptions options =
      parsed({"--threadpool-size=10", "--max-args", "128", "--lookup-container"});
  EXPECT_FALSE(options.log_level);
  EXPECT_FALSE(options.scan_interval_s);
}

TEST(ExecwhackerFlagsTest, RefusesWhatIsNoNumber) {
  EXPECT_THROW(parsed({"--scan-existing=often"}), CLI::ParseError);
  EXPECT_THROW(parsed({"--scan-existing=-1"}), CLI::ParseError);
  EXPECT_THROW(parsed({"--serve-metrics-port=70000"}), CLI::ParseError);
  EXPECT_THROW(parsed({"--max-args=many"}), CLI::ParseError);
}

}  // namespace
}  // namespace cryptnono::commands
