#include "metrics/exposition.h"

#include <algorithm>
#include <cassert>

namespace cryptnono::metrics {

void Histogram::observe(double seconds) {
  const auto* bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  ++counts_[static_cast<std::size_t>(bound - kBounds.begin())];
  double before = sum_;
  while (!sum_.compare_exchange_weak(before, before + seconds)) {
  }
}

prometheus::MetricFamily& Exposition::family(Metric metric) {
  prometheus::MetricFamily& out = families_[static_cast<std::size_t>(metric)];
  if (out.name.empty()) {
    const Description& description = describe(metric);
    out.name = description.name;
    out.help = description.help;
    switch (description.type) {
      case Type::kCounter:
        out.type = prometheus::MetricType::Counter;
        break;
      case Type::kGauge:
        out.type = prometheus::MetricType::Gauge;
        break;
      case Type::kHistogram:
        out.type = prometheus::MetricType::Histogram;
        break;
    }
  }
  return out;
}

void Exposition::add(Metric metric, std::initializer_list<std::string_view> values, double value) {
  prometheus::ClientMetric out;
  std::string_view names = describe(metric).labels;
  for (const std::string_view label_value : values) {
    const std::string_view name = names.substr(0, names.find(','));
    assert(!name.empty());
    out.label.push_back({.name = std::string(name), .value = std::string(label_value)});
    names.remove_prefix(std::min(names.size(), name.size() + 1));
  }
  if (describe(metric).type == Type::kCounter) {
    out.counter.value = value;
  } else {
    out.gauge.value = value;
  }
  family(metric).metric.push_back(std::move(out));
}

void Exposition::add(Metric metric, const Histogram& histogram) {
  prometheus::ClientMetric out;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < Histogram::kBounds.size(); ++i) {
    total += histogram.counts_[i];
    out.histogram.bucket.push_back(
        {.cumulative_count = total, .upper_bound = Histogram::kBounds[i]});
  }
  out.histogram.sample_count = total + histogram.counts_.back();
  out.histogram.sample_sum = histogram.sum_;
  family(metric).metric.push_back(std::move(out));
}

std::vector<prometheus::MetricFamily> Exposition::take() {
  std::vector<prometheus::MetricFamily> out;
  for (prometheus::MetricFamily& family : families_) {
    if (!family.name.empty()) out.push_back(std::move(family));
  }
  return out;
}

}  // namespace cryptnono::metrics
