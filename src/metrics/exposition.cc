#include "metrics/exposition.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

namespace cryptnono::metrics {

namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;

prometheus::MetricType prometheus_type(Type type) {
  switch (type) {
    case Type::kCounter:
      return prometheus::MetricType::Counter;
    case Type::kGauge:
      return prometheus::MetricType::Gauge;
    case Type::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

// Every combination of the values that the catalogue lists; one without labels if there are none.
std::vector<Labels> combinations(std::span<const Label> labels) {
  std::vector<Labels> out(1);
  for (const Label& label : labels) {
    std::vector<Labels> longer;
    for (const Labels& shorter : out) {
      for (const std::string_view value : label.values) {
        longer.push_back(shorter);
        longer.back().push_back({.name = std::string(label.name), .value = std::string(value)});
      }
    }
    out = std::move(longer);
  }
  return out;
}

void add_missing_counters(const Description& description, prometheus::MetricFamily& family) {
  for (Labels& labels : combinations(description.labels)) {
    const bool present = std::ranges::any_of(
        family.metric, [&](const prometheus::ClientMetric& m) { return m.label == labels; });
    if (present) continue;
    prometheus::ClientMetric zero;
    zero.label = std::move(labels);
    family.metric.push_back(std::move(zero));
  }
}

}  // namespace

void Histogram::observe(double seconds) {
  const auto* bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  ++counts_[static_cast<std::size_t>(bound - kBounds.begin())];
  double before = sum_;
  while (!sum_.compare_exchange_weak(before, before + seconds)) {
  }
}

void Exposition::add(Metric metric, std::initializer_list<std::string_view> values, double value) {
  const Description& description = describe(metric);
  assert(description.type != Type::kHistogram && values.size() == description.labels.size());
  prometheus::ClientMetric out;
  const Label* label = description.labels.data();
  for (const std::string_view text : values) {
    assert(label->values.empty() || std::ranges::count(label->values, text) == 1);
    out.label.push_back({.name = std::string(label->name), .value = std::string(text)});
    ++label;
  }
  if (description.type == Type::kCounter) {
    out.counter.value = value;
  } else {
    out.gauge.value = value;
  }
  families_[static_cast<std::size_t>(metric)].metric.push_back(std::move(out));
}

void Exposition::add(Metric metric, const Histogram& histogram) {
  assert(describe(metric).type == Type::kHistogram);
  prometheus::ClientMetric out;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < Histogram::kBounds.size(); ++i) {
    total += histogram.counts_[i];
    out.histogram.bucket.push_back(
        {.cumulative_count = total, .upper_bound = Histogram::kBounds[i]});
  }
  out.histogram.sample_count = total + histogram.counts_.back();
  out.histogram.sample_sum = histogram.sum_;
  families_[static_cast<std::size_t>(metric)].metric.push_back(std::move(out));
}

std::string Exposition::text() const {
  std::vector<prometheus::MetricFamily> out;
  for (std::size_t i = 0; i < kCatalog.size(); ++i) {
    prometheus::MetricFamily family = families_[i];
    const Description& description = kCatalog[i];
    if (description.type == Type::kCounter) add_missing_counters(description, family);
    if (family.metric.empty()) continue;
    family.name = description.name;
    family.help = description.help;
    family.type = prometheus_type(description.type);
    out.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(out);
}

}  // namespace cryptnono::metrics
