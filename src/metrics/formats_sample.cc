// Prints a scrape with every series that there can be, `text` or `open-metrics`, for
// formats_test.py.
#include <algorithm>
#include <initializer_list>
#include <iostream>
#include <string_view>
#include <vector>

#include "metrics/exposition.h"

namespace {

using cryptnono::metrics::Description;
using cryptnono::metrics::Exposition;
using cryptnono::metrics::Histogram;
using cryptnono::metrics::kCatalog;
using cryptnono::metrics::Metric;
using cryptnono::metrics::Type;

// Values that are hard to write: great, small, and not whole.
double value_of(std::size_t row) {
  constexpr std::array<double, 5> kValues{1764000123, 0.000123, 12345678901234, 1.0 / 3, 7};
  return kValues.at(row % kValues.size());
}

void fill(Exposition& out, const Histogram& histogram) {
  for (std::size_t row = 0; row < kCatalog.size(); ++row) {
    const Description& description = kCatalog.at(row);
    const auto metric = static_cast<Metric>(row);
    const auto add = [&](std::initializer_list<std::string_view> labels) {
      if (description.type == Type::kHistogram) {
        out.add(metric, labels, histogram);
      } else {
        out.add(metric, labels, value_of(row));
      }
    };
    if (description.labels.empty()) {
      add({});
    } else if (description.labels[0].values.empty()) {
      add({"0.1.0"});
    } else {
      for (const std::string_view first : description.labels[0].values) {
        if (description.labels.size() == 1) {
          add({first});
          continue;
        }
        for (const std::string_view second : description.labels[1].values) add({first, second});
      }
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  Histogram histogram;
  for (const double seconds : {5e-7, 1e-6, 0.0003, 0.7, 100.0}) histogram.observe(seconds);
  Exposition exposition;
  fill(exposition, histogram);
  const bool open_metrics = count > 1 && std::string_view(arguments[1]) == "open-metrics";
  std::cout << (open_metrics ? exposition.open_metrics() : exposition.text());
  return std::cout.good() ? 0 : 1;
}
