// Hyperscan over the rules of a benchmark: literals anywhere, of either case. Less work than whole
// words, so a comparison favours it.
#pragma once

#include <hs/hs.h>

#include <cstdio>
#include <string>
#include <vector>

// `flags` is added to HS_FLAG_CASELESS. nullptr: it does not take them, and has said why.
inline hs_database_t* compile_literals(const std::vector<std::string>& rules, unsigned flags) {
  std::vector<const char*> expressions;
  std::vector<std::size_t> lengths;
  std::vector<unsigned> ids;
  for (const std::string& rule : rules) {
    expressions.push_back(rule.c_str());
    lengths.push_back(rule.size());
    ids.push_back(static_cast<unsigned>(ids.size()));
  }
  const std::vector<unsigned> all_flags(rules.size(), HS_FLAG_CASELESS | flags);
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_lit_multi(expressions.data(), all_flags.data(), ids.data(), lengths.data(),
                           static_cast<unsigned>(rules.size()), HS_MODE_BLOCK, nullptr, &database,
                           &error) != HS_SUCCESS) {
    std::fprintf(stderr, "hyperscan: %s\n", error->message);
    return nullptr;
  }
  return database;
}
