// Prints docs/metrics.md from the catalogue.
#include <iostream>
#include <string>

#include "metrics/catalog.h"

namespace {

using cryptnono::metrics::Description;
using cryptnono::metrics::kCatalog;
using cryptnono::metrics::Label;
using cryptnono::metrics::Type;

std::string_view type_name(Type type) {
  switch (type) {
    case Type::kCounter:
      return "counter";
    case Type::kGauge:
      return "gauge";
    case Type::kHistogram:
      return "histogram";
  }
  return "";
}

std::string label_text(const Label& label) {
  std::string out = "`" + std::string(label.name) + "`";
  std::string_view separator = ": ";
  for (const std::string_view value : label.values) {
    out.append(separator).append("`").append(value).append("`");
    separator = ", ";
  }
  return out;
}

std::string labels_text(const Description& metric) {
  std::string out;
  for (const Label& label : metric.labels) {
    if (!out.empty()) out += "; ";
    out += label_text(label);
  }
  return out;
}

}  // namespace

int main() {
  std::cout << "# Metrics\n\n"
               "Made from `src/metrics/catalog.h` by `scripts/gen_metrics_doc`; do not edit.\n\n"
               "Every path of the metrics address answers with these series. Counters and "
               "histograms have "
               "all their\n"
               "series from the start, at 0. No label holds a command line, a rule, an address, a "
               "pod or a user.\n\n"
               "| name | type | labels and their values | meaning |\n"
               "|---|---|---|---|\n";
  for (const Description& metric : kCatalog) {
    std::cout << "| `" << metric.name << "` | " << type_name(metric.type) << " | "
              << labels_text(metric) << " | " << metric.help << " |\n";
  }
  return std::cout.good() ? 0 : 1;
}
