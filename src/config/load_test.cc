#include "config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "config/test_lines.h"

namespace cryptnono::config {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Of a text that must be wrong.
std::vector<std::string> errors(std::string_view text) {
  const LoadResult result = load_text("f", text);
  if (result) return {"no error"};
  return lines(result.error());
}

std::vector<std::string> warnings(std::string_view text) {
  const LoadResult result = load_text("f", text);
  if (!result) return lines(result.error());
  return lines(result->warnings);
}

// Of a text that must be right.
Config config_of(std::string_view text) {
  LoadResult result = load_text("f", text);
  EXPECT_TRUE(result) << text << '\n' << testing::PrintToString(lines(result.error()));
  return result ? std::move(result->config) : Config();
}

std::vector<std::string> texts(const std::vector<RuleText>& rules) {
  std::vector<std::string> out;
  for (const RuleText& rule : rules) out.push_back(rule.text);
  return out;
}

// The banned strings of a text with one group.
std::vector<std::string> banned(std::string_view text) {
  const Config config = config_of(text);
  return config.execwhacker.groups.empty() ? std::vector<std::string>()
                                           : texts(config.execwhacker.groups[0].banned_strings);
}

class LoadFilesTest : public testing::Test {
 protected:
  LoadFilesTest() {
    std::string name = fs::temp_directory_path() / "load_test.XXXXXX";
    root_ = ::mkdtemp(name.data());
  }
  ~LoadFilesTest() override { fs::remove_all(root_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(root_ / name) << text;
    return root_ / name;
  }

  fs::path root_;
};

TEST(Load, ReadsEveryKey) {
  const Config config = config_of(R"(
bannedCommandStrings: [xmrig, 123, "true"]
bannedCommandSubstrings: ["stratum+tcp://"]
allowedCommandPatterns: ['^/usr/bin/x$']
allowedExecutables:
  - /usr/bin/x
  - {path: /usr/bin/y, pattern: "y -v"}
dryRun: true
scope: {cgroups: [/sys/fs/cgroup/kubepods.slice], exclude: [/sys/fs/cgroup/kubepods.slice/x]}
execwhacker:
  enabled: false
  action: report
  scanInterval: 2.5
  limit: {maxTargets: 64, window: 3600}
log: {level: debug, maxCommandLineBytes: 256}
metrics: {listen: ["127.0.0.1:12121", "[::1]:9100", ":65535"], details: loopback}
control: {socket: /run/other/control.sock}
canary: {interval: 60.5}
)");
  EXPECT_THAT(config.files, ElementsAre("f"));
  EXPECT_TRUE(config.dry_run);
  EXPECT_THAT(config.scope.cgroups, ElementsAre("/sys/fs/cgroup/kubepods.slice"));
  EXPECT_THAT(config.scope.exclude, ElementsAre("/sys/fs/cgroup/kubepods.slice/x"));
  EXPECT_FALSE(config.execwhacker.enabled);
  EXPECT_EQ(config.execwhacker.action, Action::kReport);
  EXPECT_EQ(config.execwhacker.scan_interval_s, 2.5);
  EXPECT_EQ(config.execwhacker.limit.max_targets, 64U);
  EXPECT_EQ(config.execwhacker.limit.window_s, 3600U);
  EXPECT_EQ(config.log.level, LogLevel::kDebug);
  EXPECT_EQ(config.log.max_command_line_bytes, 256U);
  EXPECT_THAT(config.metrics.listen, ElementsAre("127.0.0.1:12121", "[::1]:9100", ":65535"));
  EXPECT_EQ(config.metrics.details, MetricsDetails::kLoopback);
  EXPECT_EQ(config.control.socket, "/run/other/control.sock");
  EXPECT_EQ(config.canary.interval_s, 60.5);

  ASSERT_EQ(config.execwhacker.groups.size(), 1U);
  const RuleGroup& group = config.execwhacker.groups[0];
  EXPECT_EQ(group.name, "f");
  EXPECT_THAT(texts(group.banned_strings), ElementsAre("xmrig", "123", "true"));
  EXPECT_EQ(group.banned_strings[1].origin.line, 2U);
  EXPECT_EQ(group.banned_strings[1].origin.column, 31U);
  EXPECT_THAT(texts(group.banned_substrings), ElementsAre("stratum+tcp://"));
  EXPECT_THAT(texts(group.allowed_patterns), ElementsAre(R"(^/usr/bin/x(?:\n?\z))"));
  ASSERT_EQ(group.allowed_executables.size(), 2U);
  EXPECT_EQ(group.allowed_executables[0].path, "/usr/bin/x");
  EXPECT_FALSE(group.allowed_executables[0].pattern);
  EXPECT_EQ(group.allowed_executables[1].path, "/usr/bin/y");
  EXPECT_EQ(group.allowed_executables[1].pattern, "y -v");
  EXPECT_EQ(group.allowed_executables[1].origin.line, 7U);
}

TEST(Load, ReadsThePredecessorsJson) {
  EXPECT_THAT(banned("{\n\t\"bannedCommandStrings\": [\n\t\t\"a\\u002b\\ud83d\\ude00\",\n\t\t\"two "
                     "words\"\n\t],\n"
                     "\t\"allowedCommandPatterns\": [\"^(/usr/bin/)?ls.*$\"]\n}\n"),
              ElementsAre("a+\xf0\x9f\x98\x80", "two words"));
}

TEST(Load, EmptyFilesAreValidAndWarnedOf) {
  for (const char* text : {"", "# nothing\n", "\xef\xbb\xbf", "---\n", "null\n", "~"}) {
    EXPECT_THAT(warnings(text),
                ElementsAre("f: the file is empty",
                            "no banned strings: execwhacker has nothing to look for"))
        << text;
  }
  EXPECT_THAT(warnings("{}"), ElementsAre(HasSubstr("no banned strings")));
}

TEST(Load, UnknownKeysAreErrorsWithAHint) {
  EXPECT_THAT(
      errors("bannedCommandString: [x]\nexecwhacker: {limit: {maxTarget: 1}}\ngpu: true\n"),
      ElementsAre(
          "f:1:1: unknown key \"bannedCommandString\"; did you mean bannedCommandStrings?",
          "f:2:23: unknown key \"maxTarget\" in execwhacker.limit; did you mean maxTargets?",
          HasSubstr("f:3:1: unknown key \"gpu\"; known are bannedCommandStrings, ")));
}

TEST(Load, WrongTypesAndRangesNameTheValueAndWhatIsRight) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"- a", "f:1:1: the file must be a mapping (key: value), not a list"},
      {"text", "f:1:1: the file must be a mapping (key: value), not text"},
      {"dryRun: yes", "f:1:9: dryRun must be true or false, not yes"},
      {"dryRun: 'true'", "f:1:9: dryRun must be true or false, not \"true\""},
      {"dryRun:", "f:1:8: dryRun must be true or false, not nothing"},
      {"dryRun: [true]", "f:1:9: dryRun must be true or false, not a list"},
      {"bannedCommandStrings: x",
       "f:1:23: bannedCommandStrings must be a list, not a bare word or number"},
      {"bannedCommandStrings:",
       "f:1:22: bannedCommandStrings must be a list, not nothing; an empty one is []"},
      {"execwhacker: 1", "f:1:14: execwhacker must be a mapping (key: value), not 1"},
      {"execwhacker: {action: die}",
       "f:1:23: execwhacker.action must be one of report, kill, kill-tree, kill-container, not "
       "die"},
      {"execwhacker: {scanInterval: -1}",
       "f:1:29: execwhacker.scanInterval must be a number of seconds from 0 to 31536000, not -1"},
      {"execwhacker: {scanInterval: .inf}", "not .inf"},
      {"execwhacker: {scanInterval: nan}", "not nan"},
      {"execwhacker: {scanInterval: 10s}", "not 10s"},
      {"execwhacker: {scanInterval: '10'}", "not \"10\""},
      {"execwhacker: {limit: {maxTargets: 0}}",
       "f:1:35: execwhacker.limit.maxTargets must be a whole number from 1 to 64, not 0"},
      {"execwhacker: {limit: {maxTargets: 65}}", "not 65"},
      {"execwhacker: {limit: {maxTargets: 1.5}}", "not 1.5"},
      {"execwhacker: {limit: {window: 3601}}",
       "must be a whole number from 1 to 3600 seconds, not 3601"},
      {"execwhacker: {limit: {window: 99999999999999999999}}", "not 99999999999999999999"},
      {"log: {level: warn}",
       "f:1:14: log.level must be one of debug, info, warning, error, not warn"},
      {"log: {maxCommandLineBytes: 255}", "from 256 to 32768, not 255"},
      {"scope: {cgroups: [kubepods]}",
       "f:1:19: an item of scope.cgroups must be an absolute path, not kubepods"},
      {"scope: {cgroups: [/a/../b/]}", "must be written \"/b\", not /a/../b/"},
      {"scope: {exclude: /a}", "f:1:18: scope.exclude must be a list, not /a"},
      {"metrics: {listen: [12121]}",
       "f:1:20: an item of metrics.listen must be an address and a port"},
      {"metrics: {listen: ['localhost:1']}", "not \"localhost:1\""},
      {"metrics: {details: some}", "f:1:20: metrics.details must be one of none, loopback, all"},
      {"metrics: {details: [all]}", "f:1:20: metrics.details must be one of none, loopback, all"},
      {"metrics: {listen: ['::1:9100']}", "must be an address and a port"},
      {"metrics: {listen: ['[127.0.0.1]:9100']}", "must be an address and a port"},
      {"metrics: {listen: ['127.0.0.1:0']}",
       "must end with a port from 1 to 65535, not \"127.0.0.1:0\""},
      {"metrics: {listen: [':65536']}", "must end with a port"},
      {"metrics: {listen: [':1', ':1']}", "f:1:26: an item of metrics.listen is given twice"},
      {"allowedExecutables: [ls]",
       "f:1:22: an item of allowedExecutables must be an absolute path"},
      {"allowedExecutables: [/usr//bin/ls]", "must be written without '..', '.', '//'"},
      {"allowedExecutables: [{pattern: x}]", "f:1:22: an item of allowedExecutables has no path"},
      {"allowedExecutables: [{path: /a, patern: x}]", "did you mean pattern?"},
      {"allowedExecutables: [{path: /a, pattern: '('}]",
       "f:1:43: allowedExecutables.pattern: this ( is not"},
      {"allowedExecutables: [[/a]]", "must be a string, not a list"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_THAT(errors(text), ElementsAre(HasSubstr(expected))) << text;
  }
}

TEST(Load, PlainYamlScalarsAreTextUnlessTheyMeanSomethingElse) {
  EXPECT_THAT(banned("bannedCommandStrings:\n  - 123\n  - 0x1f\n  - 1e3\n  - yes\n  - 'null'\n  - "
                     "2026-01-01\n"),
              ElementsAre("123", "0x1f", "1e3", "yes", "null", "2026-01-01"));
  for (const char* item : {"true", "False", "NULL", "null", "~", ""}) {
    EXPECT_THAT(errors(std::string("bannedCommandStrings:\n  - ") + item + "\n"),
                ElementsAre(HasSubstr("f:2:")))
        << item;
  }
  for (const char* item : {"true", "null", "12", "1.5", "[\"x\"]", "{}"}) {
    EXPECT_THAT(errors(std::string("{\"bannedCommandStrings\": [") + item + "]}"),
                ElementsAre(HasSubstr("f:1:27: an item of bannedCommandStrings must be a string")))
        << item;
  }
}

TEST(Load, RefusesUselessBannedStrings) {
  EXPECT_THAT(errors("bannedCommandStrings: ['', ' \\t', \" \\t\", \"a\\0b\"]"),
              ElementsAre("f:1:24: an item of bannedCommandStrings is empty",
                          "f:1:35: an item of bannedCommandStrings is nothing but blanks",
                          HasSubstr("f:1:42: an item of bannedCommandStrings contains a NUL")));
  EXPECT_THAT(banned("bannedCommandStrings: [" + std::string(kMaxRuleLength, 'x') + "]"),
              testing::SizeIs(1));
  EXPECT_THAT(errors("bannedCommandStrings: [" + std::string(kMaxRuleLength + 1, 'x') + "]"),
              ElementsAre(HasSubstr("is 4097 bytes long; at most 4096 are possible")));
  EXPECT_THAT(errors("bannedCommandSubstrings: [ab]"),
              ElementsAre(HasSubstr("is 2 bytes long; at least 3 are needed")));
}

TEST(Load, WarnsOfDoubtfulRules) {
  EXPECT_THAT(
      warnings("bannedCommandStrings: [' xm rig', a, \xc3\xa9\xc3\xa9, abc]"),
      ElementsAre("f:1:24: an item of bannedCommandStrings has blanks at an end, which count",
                  HasSubstr("f:1:35: an item of bannedCommandStrings has only one character"),
                  HasSubstr("f:1:38: an item of bannedCommandStrings has only two characters")));
  EXPECT_THAT(banned("bannedCommandStrings: [' xm rig']"), ElementsAre(" xm rig"));
  EXPECT_THAT(warnings("bannedCommandStrings: [xmrig]\nallowedCommandPatterns: ['.*']"),
              ElementsAre("f:2:26: an item of allowedCommandPatterns matches every command line"));
}

TEST(Load, PatternErrorsPointIntoThePattern) {
  EXPECT_THAT(
      errors("allowedCommandPatterns:\n  - '^ls (?!-o)'\n  - ^ls (?=-l)\n  - \"\\x5els(?=x)\"\n  - "
             "''\n"),
      ElementsAre(HasSubstr("f:2:10: an item of allowedCommandPatterns: lookahead (?!...) is not "
                            "supported (at character 5 of the pattern)"),
                  HasSubstr("f:3:9: an item of allowedCommandPatterns: lookahead"),
                  // With escapes only where the scalar begins is known.
                  HasSubstr("f:4:5: an item of allowedCommandPatterns: lookahead (?=...) is not "
                            "supported (at character 4 of the pattern)"),
                  HasSubstr("f:5:5: an item of allowedCommandPatterns is empty")));
}

TEST(Load, NeverQuotesARule) {
  std::string text;
  for (const LoadResult& result :
       {load_text("f",
                  "bannedCommandStrings: [' secret', secret, {secret: 1}, true]\n"
                  "allowedCommandPatterns: ['secret(', 'secret(?:(?:a{100}){100}){100}']\n"),
        load_text("f", "{\"bannedCommandStrings\": [\"secret\", \"secret]}"),
        load_text("f", "bannedCommandStrings: ['secret, secret]")}) {
    ASSERT_FALSE(result);
    for (const std::string& line : lines(result.error())) text += line + "\n";
  }
  EXPECT_THAT(text, Not(HasSubstr("secret")));
}

TEST(Load, KeepsAHundredErrorsAndCountsTheRest) {
  std::string text = "bannedCommandStrings:\n";
  for (int i = 0; i < 150; ++i) text += "  - true\n";
  const auto found = errors(text);
  ASSERT_EQ(found.size(), 101U);
  EXPECT_EQ(found.back(), "and 50 more errors");
}

TEST(Load, KeepsTheFirstOfEqualRules) {
  const Config config = config_of(
      "bannedCommandStrings: [xmrig, XMRig, minerd, xmrig]\nbannedCommandSubstrings: [xmrig, "
      "XMRIG]\n");
  const RuleGroup& group = config.execwhacker.groups.at(0);
  EXPECT_THAT(texts(group.banned_strings), ElementsAre("xmrig", "minerd"));
  EXPECT_THAT(texts(group.banned_substrings), ElementsAre("xmrig"));
}

TEST_F(LoadFilesTest, WithoutFilesLoadsTheDefault) {
  const LoadResult result = load_files({});
  ASSERT_TRUE(result);
  EXPECT_THAT(result->warnings, IsEmpty());
  EXPECT_THAT(result->config.files, IsEmpty());
  ASSERT_EQ(result->config.execwhacker.groups.size(), 1U);
  const RuleGroup& group = result->config.execwhacker.groups[0];
  EXPECT_EQ(group.name, "default");
  EXPECT_THAT(texts(group.banned_strings), ElementsAre("cryptnono.banned.string1"));
  EXPECT_EQ(group.banned_strings[0].origin.line, 0U);
}

TEST_F(LoadFilesTest, MergesFiles) {
  const std::string a =
      write("execwhacker-pools.json",
            R"({"bannedCommandStrings": ["one", "two"], "log": {"level": "debug"},)"
            R"( "metrics": {"listen": [":1"]}})");
  const std::string b = write("settings.yaml", "log: {maxCommandLineBytes: 300}\ndryRun: true\n");
  const std::string c =
      write("more.yaml",
            "bannedCommandStrings: [Two, three]\ndryRun: false\nmetrics: {listen: [':2']}\n");
  fs::create_directory(root_ / "d");
  const std::string d = write("d/more.yaml", "bannedCommandStrings: [four]\n");
  const LoadResult result = load_files({a, b, c, d});
  ASSERT_TRUE(result) << testing::PrintToString(lines(result.error()));
  const Config& config = result->config;
  EXPECT_THAT(config.files, ElementsAre(a, b, c, d));
  EXPECT_FALSE(config.dry_run) << "the later file wins";
  EXPECT_EQ(config.log.level, LogLevel::kDebug) << "what a later file does not mention stays";
  EXPECT_EQ(config.log.max_command_line_bytes, 300U);
  EXPECT_THAT(config.metrics.listen, ElementsAre(":2")) << "lists are replaced";

  const std::vector<RuleGroup>& groups = config.execwhacker.groups;
  ASSERT_EQ(groups.size(), 3U) << "a file without rules is no group";
  EXPECT_EQ(groups[0].name, "pools");
  EXPECT_THAT(texts(groups[0].banned_strings), ElementsAre("one", "two"));
  EXPECT_EQ(groups[1].name, "more");
  EXPECT_THAT(texts(groups[1].banned_strings), ElementsAre("three"));
  EXPECT_EQ(groups[1].banned_strings[0].origin.file, 2U) << "index into Config::files";
  EXPECT_EQ(groups[2].name, "more-2") << "names are labels, so they are unique";
}

TEST_F(LoadFilesTest, ReportsAllErrorsOfAllFiles) {
  const std::string a = write("a.yaml", "dryRun: 1\n");
  const std::string b = write("b.yaml", "x: [\n");
  const std::string c = write("c.yaml", "dryRun: 2\ndryRun: 3\n");
  const LoadResult result = load_files({a, root_ / "missing", b, "/proc/self/mem", c});
  ASSERT_FALSE(result);
  EXPECT_THAT(
      lines(result.error()),
      ElementsAre(a + ":1:9: dryRun must be true or false, not 1",
                  (root_ / "missing").string() + ": cannot open: No such file or directory",
                  HasSubstr(b + ":2:1: "), "/proc/self/mem: cannot read: Input/output error",
                  c + ":2:1: the key \"dryRun\" is given twice, first at 1:1",
                  HasSubstr(c + ":1:9: "), HasSubstr(c + ":2:9: ")));
}

TEST_F(LoadFilesTest, RefusesAFileThatIsTooLarge) {
  const std::string file = write("large", "");
  fs::resize_file(file, (std::uintmax_t{64} << 20) + 1);
  EXPECT_THAT(lines(load_files({file}).error()), ElementsAre(file + ": larger than 64 MiB"));
}

// A sanitizer's own memory would drown what is measured.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

long peak_rss_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    long value = 0;
    if (word == "VmHWM:" && status >> value) return value;
  }
  return 0;
}

// The budget is far above what it takes (about 30 MiB), far below what a node per string would.
TEST_F(LoadFilesTest, LoadsAHundredThousandStringsInLittleMemory) {
  std::string yaml = "bannedCommandStrings:\n";
  std::string json = "{\"bannedCommandStrings\": [\"first\"";
  for (int i = 0; i < 100'000; ++i) {
    const std::string rule = "pool-" + std::to_string(i * 7919) + ".example.invalid:3333";
    yaml += "  - " + rule + "\n";
    json += ",\n  \"" + rule + "\"";
  }
  const std::vector<std::string> files = {write("a.yaml", yaml), write("b.json", json + "]}")};
  for (const std::string& file : files) {
    std::ofstream("/proc/self/clear_refs") << 5;  // resets VmHWM
    const long before = peak_rss_kib();
    const LoadResult result = load_files({file});
    ASSERT_TRUE(result) << testing::PrintToString(lines(result.error()));
    EXPECT_GE(result->config.execwhacker.groups.at(0).banned_strings.size(), 100'000U);
    if (!kSanitized) {
      EXPECT_LT(peak_rss_kib() - before, 60 * 1024) << file;
    }
  }
}

TEST(Load, SocketsOfRuntimesAreAbsolutePaths) {
  const Config config =
      config_of("containers: {endpoints: [/a, /b], dockerEndpoints: [/run/dind/docker.sock]}");
  EXPECT_THAT(config.containers.endpoints, ElementsAre("/a", "/b"));
  EXPECT_THAT(config.containers.docker_endpoints, ElementsAre("/run/dind/docker.sock"));
  EXPECT_THAT(config_of("dryRun: false").containers.docker_endpoints, IsEmpty());
  EXPECT_THAT(errors("containers: {dockerEndpoints: [unix:///a]}"),
              ElementsAre(HasSubstr("an absolute path")));
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The one YAML block of docs/configuration.md that is marked as complete.
TEST(Load, TheControlSocketIsAnAbsolutePathOrNone) {
  const auto socket_of = [](const std::string& value) {
    const LoadResult result = load_text("f", "control: {socket: " + value + "}");
    return result ? result->config.control.socket : to_string(result.error().front());
  };
  EXPECT_EQ(load_text("f", "dryRun: true")->config.control.socket, kDefaultControlSocket);
  EXPECT_EQ(socket_of("\"\""), "");
  EXPECT_EQ(socket_of("/run/x.sock"), "/run/x.sock");
  EXPECT_THAT(socket_of("x.sock"), HasSubstr("f:1:19: control.socket must be an absolute path"));
  EXPECT_THAT(socket_of("/run//x.sock"), HasSubstr("must be written \"/run/x.sock\""));
  EXPECT_THAT(socket_of("[]"), HasSubstr("control.socket must be a string, not a list"));
  EXPECT_THAT(socket_of("~"), HasSubstr("control.socket must be a string, not ~"));
  EXPECT_EQ(socket_of("/" + std::string(106, 'x')).size(), 107U);
  EXPECT_THAT(socket_of("/" + std::string(107, 'x')),
              HasSubstr("control.socket must have at most 107 bytes"));
  EXPECT_THAT(to_string(load_text("f", "control: {sockets: /x}").error().front()),
              HasSubstr("f:1:11: "));
}

TEST(Load, Pins) {
  const auto pins_of = [](const std::string& value) {
    const LoadResult result = load_text("f", "pins: " + value);
    EXPECT_TRUE(result) << to_string(result.error().front());
    return result ? result->config.pins : Pins{.directory = "error"};
  };
  const auto error_of = [](const std::string& value) {
    return to_string(load_text("f", "pins: " + value).error().front());
  };
  EXPECT_EQ(load_text("f", "dryRun: true")->config.pins.directory, "");
  const Pins all = pins_of("{directory: /sys/fs/bpf/one, onStop: keep, unattended: kill}");
  EXPECT_EQ(all.directory, "/sys/fs/bpf/one");
  EXPECT_TRUE(all.keep_on_stop && all.unattended_kills);
  const Pins mild = pins_of("{directory: '', onStop: release, unattended: spare}");
  EXPECT_EQ(mild.directory, "");
  EXPECT_FALSE(mild.keep_on_stop || mild.unattended_kills);
  EXPECT_THAT(error_of("{directory: x}"), HasSubstr("f:1:19: pins.directory must be an absolute"));
  EXPECT_THAT(error_of("{directory: /x/}"), HasSubstr("pins.directory must be written \"/x\""));
  EXPECT_THAT(error_of("{onStop: leave}"), HasSubstr("pins.onStop"));
  EXPECT_THAT(error_of("{unattended: report}"), HasSubstr("pins.unattended"));
}

TEST(Load, Guard) {
  EXPECT_FALSE(load_text("f", "dryRun: true")->config.guard.enabled);
  EXPECT_TRUE(load_text("f", "guard: {enabled: true}")->config.guard.enabled);
  EXPECT_FALSE(load_text("f", "guard: {enabled: false}")->config.guard.enabled);
  EXPECT_THAT(to_string(load_text("f", "guard: {enabled: 1}").error().front()),
              HasSubstr("f:1:18: guard.enabled must be true or false"));
  EXPECT_THAT(to_string(load_text("f", "guard: {on: true}").error().front()), HasSubstr("f:1:9: "));
}

TEST(Load, TheDocumentedExampleIsValid) {
  const std::string page = read_text(fs::path(CRYPTNONO_DOCS_DIR) / "configuration.md");
  ASSERT_FALSE(page.empty());
  const std::string fence = "```yaml\n# A complete example";
  const std::size_t begin = page.find(fence);
  ASSERT_NE(begin, std::string::npos);
  const std::size_t start = begin + std::string_view("```yaml\n").size();
  const std::string example = page.substr(start, page.find("\n```", start) + 1 - start);
  const LoadResult result = load_text("configuration.md", example);
  ASSERT_TRUE(result) << testing::PrintToString(lines(result.error()));
  EXPECT_THAT(result->warnings, IsEmpty());
  for (const char* key : {"bannedCommandStrings",
                          "bannedCommandSubstrings",
                          "allowedCommandPatterns",
                          "allowedExecutables",
                          "dryRun",
                          "cgroups",
                          "exclude",
                          "enabled",
                          "action",
                          "scanInterval",
                          "maxTargets",
                          "window",
                          "level",
                          "maxCommandLineBytes",
                          "listen",
                          "bannedAddresses",
                          "bans",
                          "banFiles",
                          "allow",
                          "allowFiles",
                          "threshold",
                          "per",
                          "onlyFailed",
                          "udp",
                          "ignore",
                          "hooks",
                          "logConnects",
                          "endpoints",
                          "dockerEndpoints",
                          "environment",
                          "namespaces",
                          "escalation",
                          "after"}) {
    EXPECT_THAT(example, HasSubstr(std::string(key) + ":")) << "the example shows every key";
  }
}

}  // namespace
}  // namespace cryptnono::config
