#include "replay/prefilter.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <random>
#include <set>

#include "base/json_line.h"
#include "base/shell_quote.h"
#include "config/load.h"
#include "replay/masks.h"
#include "replay/replay.h"

namespace cryptnono::replay {
namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t limit) { return random() % limit; }

config::Config load(const std::string& yaml) {
  auto loaded = config::load_text("rules.yaml", yaml);
  EXPECT_TRUE(loaded.has_value());
  return std::move(loaded->config);
}

// Through a pipe, in blocks of that size: what hit, by line.
std::string replayed(const config::Config& config, const std::string& log, Format format,
                     Options options) {
  const auto rules = detect::ExecRules::compile(config.execwhacker, 1);
  Prefilter filter({&config.execwhacker});
  filter.set_portable(options.portable);
  Replayer replayer({{.rules = *rules, .dry_run = false}}, filter, options);
  std::FILE* file = std::tmpfile();
  std::fwrite(log.data(), 1, log.size(), file);
  std::rewind(file);
  std::string out;
  const auto done = replayer.run(
      fileno(file), format,
      [&](const Record& record, const Verdict& now, const Verdict&) {
        out += std::to_string(record.line) + ":" + std::to_string(static_cast<int>(now.what)) +
               ":" + std::to_string(now.rule) + " ";
      },
      [&](Kind kind, std::size_t line, const std::string&) {
        // What cannot hit is not parsed, so only the exact way sees all that is broken in it.
        if (kind == Kind::kMasked) out += std::to_string(line) + ":masked ";
      });
  EXPECT_TRUE(done.has_value());
  std::fclose(file);
  return out + "lines " + std::to_string(replayer.counts().lines);
}

// Pieces of which rules and command lines are made, so that hits and near hits are common.
constexpr std::array<std::string_view, 26> kPieces{
    "xmrig", "XMRig", "pool", "-o",    "--url", "=", ":",  "3333",        "/",
    "\"",    "'",     "\\",   "\n",    "\t",    " ", "  ", "\xc3\xa9",    "\xff",
    ".",     "_",     "n",    "u0078", "@",     "[", "",   "stratumproxy"};

std::string text(Random& random, std::size_t most) {
  std::string out;
  for (std::size_t i = below(random, most) + 1; i > 0; --i)
    out += kPieces.at(below(random, kPieces.size()));
  return out;
}

std::string argument(Random& random) {
  if (below(random, 40) == 0) return std::string(below(random, 20000), 'y') + text(random, 3);
  return text(random, 5);
}

// As some other program might: any character as \uXXXX.
std::string odd_json(const std::string& plain, Random& random) {
  std::string out = "\"";
  for (const char c : plain) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || (byte < 0x80 && below(random, 30) == 0)) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\u%04x", byte);
      out += hex;
    } else {
      if (c == '"' || c == '\\' || (c == '/' && below(random, 2) == 0)) out += '\\';
      out += c;
    }
  }
  return out + '"';
}

std::string hex(const std::string& plain) {
  std::string out;
  for (const char c : plain) {
    char two[3];
    std::snprintf(two, sizeof two, "%02X", static_cast<unsigned char>(c));
    out += two;
  }
  return out;
}

std::string json_line(const std::vector<std::string>& arguments, Random& random) {
  const std::vector<std::string_view> views(arguments.begin(), arguments.end());
  if (below(random, 3) == 0) {
    std::string list;
    for (const std::string& each : arguments)
      list += (list.empty() ? "" : ", ") + odd_json(each, random);
    return R"({"pid": 1, "cmdline": [)" + list + "]}\n";
  }
  const std::string line = shell_join(views);
  return R"({"pid": 1, "cmdline": )" +
         (below(random, 2) == 0 ? json_string(line) : odd_json(line, random)) +
         (below(random, 9) == 0 ? "}\r\n" : "}\n");
}

std::string line_of(Format format, std::size_t number, Random& random) {
  std::vector<std::string> arguments;
  for (std::size_t i = below(random, 5) + 1; i > 0; --i) arguments.push_back(argument(random));
  const std::vector<std::string_view> views(arguments.begin(), arguments.end());
  std::string plain;
  for (const std::string& each : arguments) plain += " " + each;
  std::replace(plain.begin(), plain.end(), '\n', '?');
  switch (format) {
    case Format::kPs:
      return "root " + std::to_string(number) + plain + "\n";
    case Format::kExecsnoop: {
      std::string escaped;
      for (const std::string& each : arguments) {
        escaped += ' ';
        for (const char c : each) c == '\n' ? escaped += "\\n" : escaped += c;
      }
      return "sh 1 1 0" + escaped + "\n";
    }
    case Format::kAuditd: {
      const std::string serial =
          "msg=audit(1700000000.000:" + std::to_string(100000 + number) + "): ";
      std::string line = "type=EXECVE " + serial + "argc=" + std::to_string(arguments.size());
      for (std::size_t i = 0; i < arguments.size(); ++i)
        line +=
            " a" + std::to_string(i) + "=" + (arguments[i].empty() ? "\"\"" : hex(arguments[i]));
      return line + "\ntype=EOE " + serial + "\n";
    }
    case Format::kLines: {
      if (below(random, 2) == 0) return plain + "\n";
      std::string quoted = shell_join(views);
      std::replace(quoted.begin(), quoted.end(), '\n', '?');
      return quoted + "\n";
    }
    default:
      return json_line(arguments, random);
  }
}

std::string rules_of(Random& random) {
  std::string words = "bannedCommandStrings:\n";
  std::string substrings = "bannedCommandSubstrings:\n";
  for (int i = 0; i < 4; ++i) {
    std::string word = text(random, 3);
    if (word.find_first_not_of(" \n\t") == std::string::npos ||
        word.find('\xff') != std::string::npos)
      word = "pool";
    words += "- " + json_string(word) + "\n";
    std::string substring = text(random, 3);
    if (substring.size() < 3 || substring.find_first_not_of(" \n\t") == std::string::npos ||
        substring.find('\xff') != std::string::npos)
      substring = "umproxy3333";
    substrings += "- " + json_string(substring) + "\n";
  }
  return words + substrings;
}

TEST(Prefilter, with_it_every_log_says_what_it_says_without) {
  Random random(7);
  std::size_t hits = 0;
  std::size_t filtered = 0;
  for (int round = 0; round < 60; ++round) {
    const config::Config config = load(rules_of(random));
    filtered += Prefilter({&config.execwhacker}).passes_all() ? 0 : 1;
    for (const Format format :
         {Format::kCryptnono, Format::kPs, Format::kExecsnoop, Format::kAuditd, Format::kLines}) {
      std::string log = format == Format::kPs          ? "USER PID COMMAND\n"
                        : format == Format::kExecsnoop ? "PCOMM PID PPID RET ARGS\n"
                                                       : "";
      for (std::size_t i = 0; i < 60; ++i) log += line_of(format, i, random);
      if (below(random, 2) == 0) log.pop_back();
      const std::string exact = replayed(config, log, format, {.exact = true});
      hits += static_cast<std::size_t>(std::count(exact.begin(), exact.end(), ' '));
      for (const bool portable : {false, true}) {
        ASSERT_EQ(replayed(config, log, format, {.portable = portable}), exact)
            << format_name(format) << " round " << round << "\n";
      }
      ASSERT_EQ(replayed(config, log, format, {.block = 64}), exact) << format_name(format);
    }
  }
  EXPECT_GT(hits, 3000U);
  EXPECT_GT(filtered, 3U);
}

TEST(Prefilter, leaves_out_what_cannot_hit) {
  const config::Config config =
      load("bannedCommandStrings: [xmrig]\nbannedCommandSubstrings: [stratumproxy, mnr]\n");
  const Prefilter filter({&config.execwhacker});
  ASSERT_FALSE(filter.passes_all());
  const auto candidates = [&](std::string_view log, Writing writing) {
    std::set<std::size_t> out;
    const std::size_t lines = filter.scan(
        log, writing, [&](std::size_t, std::size_t, std::size_t line) { out.insert(line); });
    EXPECT_EQ(lines, static_cast<std::size_t>(std::count(log.begin(), log.end(), '\n')));
    return out;
  };
  using Set = std::set<std::size_t>;
  EXPECT_EQ(candidates("a\nxmrig\nxxmrig\nXMRIG -o\n", Writing::kPlain), (Set{1, 3}));
  EXPECT_EQ(candidates("ls\n-stRatumproxy+\nmnr\nmn r", Writing::kPlain), (Set{1, 2}));
  EXPECT_EQ(candidates("x'm'rig\n'x' mrig\nx\\mrig", Writing::kShell), (Set{0, 2}));
  EXPECT_EQ(candidates("{\"a\\nxmrig\"}\n{\"\\u0078\"}\n{\"a\\nb\"}\n", Writing::kJson),
            (Set{0, 1}));
  EXPECT_EQ(candidates("{\"cmdline\": \"[rabc]\"}\n{torn\n{\"whole\": 1}\n", Writing::kJson),
            (Set{0, 1}));
}

TEST(Masks, are_the_same_both_ways) {
  Random random(3);
  std::string text(64 * 64, '\0');
  for (char& c : text) c = static_cast<char>(random());
  std::array<Masks, 64> fast;
  std::array<Masks, 64> slow;
  std::string fast_folded(text.size(), '\0');
  std::string slow_folded(text.size(), '\0');
  classify(text.data(), fast, fast_folded.data());
  classify(text.data(), slow, slow_folded.data(), true);
  EXPECT_EQ(fast_folded, slow_folded);
  EXPECT_EQ(std::memcmp(fast.data(), slow.data(), sizeof fast), 0);
}

}  // namespace
}  // namespace cryptnono::replay
