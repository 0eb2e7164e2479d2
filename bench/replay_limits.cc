// replay_limits RULES LOG: what `replay` is measured against: how fast memory can be read, and how
// fast Hyperscan looks for the same strings in the same log. Prints one JSON object: GB/s (1e9
// bytes) of one core, medians.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#ifdef HAVE_HYPERSCAN
#include "hyperscan.h"
#endif

namespace {

using Clock = std::chrono::steady_clock;

// Of seven passes over `bytes`.
template <typename Pass>
double gb_per_s(std::size_t bytes, Pass pass) {
  std::vector<double> rates;
  for (int i = 0; i < 7; ++i) {
    const auto begin = Clock::now();
    pass();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    rates.push_back(static_cast<double>(bytes) / 1e9 / seconds);
  }
  std::nth_element(rates.begin(), rates.begin() + 3, rates.end());
  return rates[3];
}

std::uint64_t sum_of(const std::string& text) {
  std::uint64_t sums[8] = {};
  for (std::size_t at = 0; at + sizeof sums <= text.size(); at += sizeof sums) {
    std::uint64_t words[8];
    std::memcpy(words, text.data() + at, sizeof words);
    for (int i = 0; i < 8; ++i) sums[i] += words[i];
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t each : sums) sum += each;
  return sum;
}

#ifdef HAVE_HYPERSCAN
int on_match(unsigned int, unsigned long long, unsigned long long, unsigned int, void* context) {
  ++*static_cast<std::size_t*>(context);
  return 0;
}

// In blocks of a mebibyte.
void hyperscan(const std::vector<std::string>& rules, const std::string& text) {
  hs_database_t* database = compile_literals(rules, 0);
  if (database == nullptr) return;
  hs_scratch_t* scratch = nullptr;
  hs_alloc_scratch(database, &scratch);
  constexpr std::size_t kBlock = 1 << 20;
  std::size_t hits = 0;
  const double rate = gb_per_s(text.size(), [&] {
    for (std::size_t at = 0; at < text.size(); at += kBlock) {
      const auto size = static_cast<unsigned>(std::min(kBlock, text.size() - at));
      hs_scan(database, text.data() + at, size, 0, scratch, on_match, &hits);
    }
  });
  std::printf(", \"hyperscan_gb_per_s\": %.3f, \"hyperscan_hits\": %zu", rate, hits / 7);
  hs_free_scratch(scratch);
  hs_free_database(database);
}
#endif

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::vector<std::string> rules;
  std::ifstream in(argv[1]);
  for (std::string line; std::getline(in, line);) rules.push_back(line);
  std::ifstream log(argv[2], std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(log)), {});
  std::uint64_t sum = 0;
  const double memory = gb_per_s(text.size(), [&] { sum += sum_of(text); });
  std::printf("{\"memory_gb_per_s\": %.3f", memory);
#ifdef HAVE_HYPERSCAN
  hyperscan(rules, text);
#endif
  std::printf(", \"sum\": %llu}\n", static_cast<unsigned long long>(sum));
  return 0;
}
