// Diagnostics as tests compare them.
#pragma once

#include <string>
#include <vector>

#include "config/diagnostics.h"

namespace cryptnono::config {

inline std::vector<std::string> lines(const std::vector<Diagnostic>& diagnostics) {
  std::vector<std::string> out;
  for (const Diagnostic& diagnostic : diagnostics) out.push_back(to_string(diagnostic));
  return out;
}

}  // namespace cryptnono::config
