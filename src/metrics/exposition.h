// Exposition: collects the values of one scrape, in the catalogue's names.
#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/catalog.h"

namespace cryptnono::metrics {

// Times in seconds. observe() may be called from any thread; a scrape may see one that is half
// counted.
class Histogram {
 public:
  void observe(double seconds);
  [[nodiscard]] prometheus::ClientMetric::Histogram read() const;

  // The predecessor's buckets, and finer ones below.
  static constexpr std::array<double, 26> kBounds{
      1e-6,   2.5e-6, 5e-6,   1e-5, 2.5e-5, 5e-5, 1e-4,   2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2,
      2.5e-2, 5e-2,   7.5e-2, 1e-1, 2.5e-1, 5e-1, 7.5e-1, 1,      2.5,  5,    7.5,    10,   60};

 private:
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> counts_{};
  std::atomic<double> sum_ = 0;
};

// Content types of the two formats.
inline constexpr std::string_view kTextType = "text/plain; version=0.0.4; charset=utf-8";
inline constexpr std::string_view kOpenMetricsType =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

// One scrape; one thread. A series is added at most once.
class Exposition {
 public:
  // `values` are the label values, in the order of the catalogue's labels and among those that it
  // lists.
  void add(Metric metric, std::initializer_list<std::string_view> values, double value);
  void add(Metric metric, std::initializer_list<std::string_view> values, std::uint64_t value) {
    add(metric, values, static_cast<double>(value));
  }
  void add(Metric metric, std::initializer_list<std::string_view> values,
           const Histogram& histogram);

  // What was added of one metric.
  [[nodiscard]] const std::vector<prometheus::ClientMetric>& told(Metric metric) const {
    return families_[static_cast<std::size_t>(metric)].metric;
  }

  // All that was added, in the order of the catalogue and in Prometheus' text format. Counters and
  // histograms that were not added stand at 0; gauges that were not added are left out, for nobody
  // knows their value.
  [[nodiscard]] std::string text() const;
  // The same series in OpenMetrics 1.0, down to the last byte of each line: whichever format a
  // server asks for, a series is the same series.
  [[nodiscard]] std::string open_metrics() const;

 private:
  prometheus::ClientMetric& series(Metric metric, std::initializer_list<std::string_view> values);

  std::array<prometheus::MetricFamily, kCatalog.size()> families_;
};

}  // namespace cryptnono::metrics
