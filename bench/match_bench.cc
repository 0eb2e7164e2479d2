// match_bench RULES LINES: throughput of the matchers on the command lines of a file, whole-word
// rules, one a line. Prints one JSON object: MB/s (1e6 bytes) of ours and of Hyperscan, and the
// time to build each.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "match/matcher.h"
#include "match/tables.h"
#ifdef HAVE_HYPERSCAN
#include "hyperscan.h"
#endif

namespace {

using Clock = std::chrono::steady_clock;
using cryptnono::match::Entry;
using cryptnono::match::Kind;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::vector<std::string> read_lines(const char* path) {
  std::ifstream in(path);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

// MB/s, the median of seven passes of at least 0.2 s each.
template <typename Match>
double throughput(const std::vector<std::string>& lines, Match match) {
  const double megabytes = std::accumulate(lines.begin(), lines.end(), 0.0,
                                           [](double sum, const std::string& line) {
                                             return sum + static_cast<double>(line.size());
                                           }) /
                           1e6;
  std::vector<double> rates;
  for (int i = 0; i < 7; ++i) {
    const auto begin = Clock::now();
    int rounds = 0;
    do {
      for (const std::string& line : lines) match(line);
      ++rounds;
    } while (seconds_since(begin) < 0.2);
    rates.push_back(megabytes * rounds / seconds_since(begin));
  }
  std::nth_element(rates.begin(), rates.begin() + 3, rates.end());
  return rates[3];
}

#ifdef HAVE_HYPERSCAN
int on_match(unsigned int, unsigned long long, unsigned long long, unsigned int, void* context) {
  ++*static_cast<std::size_t*>(context);
  return 1;
}

void bench_hyperscan(const std::vector<std::string>& rules, const std::vector<std::string>& lines) {
  const auto begin = Clock::now();
  hs_database_t* database = compile_literals(rules, HS_FLAG_SINGLEMATCH);
  if (database == nullptr) return;
  const double build_ms = seconds_since(begin) * 1e3;
  hs_scratch_t* scratch = nullptr;
  hs_alloc_scratch(database, &scratch);
  std::size_t hits = 0;
  const double rate = throughput(lines, [&](const std::string& line) {
    hs_scan(database, line.data(), static_cast<unsigned>(line.size()), 0, scratch, on_match, &hits);
  });
  std::printf(", \"hyperscan_mb_s\": %.1f, \"hyperscan_build_ms\": %.1f", rate, build_ms);
}
#endif

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::vector<std::string> rules = read_lines(argv[1]);
  const std::vector<std::string> lines = read_lines(argv[2]);
  std::vector<Entry> entries;
  for (const std::string& rule : rules) {
    entries.push_back({.text = rule,
                       .kind = Kind::kWord,
                       .group = 0,
                       .rule = static_cast<std::uint32_t>(entries.size())});
  }
  const auto begin = Clock::now();
  const auto tables = cryptnono::match::build_tables(entries, {});
  if (!tables) return 1;
  const double build_ms = seconds_since(begin) * 1e3;
  const cryptnono::match::Matcher matcher(tables->bytes());
  std::size_t hits = 0;
  const double rate = throughput(
      lines, [&](const std::string& line) { hits += matcher.match_text(line).banned() ? 1 : 0; });
  std::printf("{\"ours_mb_s\": %.1f, \"ours_build_ms\": %.1f, \"tables_mib\": %.2f", rate, build_ms,
              static_cast<double>(tables->bytes().size()) / (1 << 20));
#ifdef HAVE_HYPERSCAN
  bench_hyperscan(rules, lines);
#endif
  std::printf(", \"hits\": %zu}\n", hits);
  return 0;
}
