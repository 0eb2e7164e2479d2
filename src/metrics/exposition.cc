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

const Histogram kEmpty;

void add_missing(const Description& description, prometheus::MetricFamily& family) {
  for (Labels& labels : combinations(description.labels)) {
    const bool present = std::ranges::any_of(
        family.metric, [&](const prometheus::ClientMetric& m) { return m.label == labels; });
    if (present) continue;
    prometheus::ClientMetric zero;
    zero.label = std::move(labels);
    if (description.type == Type::kHistogram) zero.histogram = kEmpty.read();
    family.metric.push_back(std::move(zero));
  }
}

constexpr std::string_view kTotal = "_total";

// The unit of a metric family of this name, which OpenMetrics wants to know.
std::string_view unit_of(std::string_view family) {
  for (const std::string_view unit : {"seconds", "bytes"}) {
    if (family.ends_with(unit) && family.size() > unit.size() &&
        family[family.size() - unit.size() - 1] == '_')
      return unit;
  }
  return "";
}

}  // namespace

void Histogram::observe(double seconds) {
  const auto* bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  ++counts_[static_cast<std::size_t>(bound - kBounds.begin())];
  double before = sum_;
  while (!sum_.compare_exchange_weak(before, before + seconds)) {
  }
}

prometheus::ClientMetric::Histogram Histogram::read() const {
  prometheus::ClientMetric::Histogram out;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    total += counts_[i];
    out.bucket.push_back({.cumulative_count = total, .upper_bound = kBounds[i]});
  }
  out.sample_count = total + counts_.back();
  out.sample_sum = sum_;
  return out;
}

prometheus::ClientMetric& Exposition::series(Metric metric,
                                             std::initializer_list<std::string_view> values) {
  const Description& description = describe(metric);
  assert(values.size() == description.labels.size());
  prometheus::ClientMetric out;
  const Label* label = description.labels.data();
  for (const std::string_view text : values) {
    assert(label->values.empty() || std::ranges::count(label->values, text) == 1);
    out.label.push_back({.name = std::string(label->name), .value = std::string(text)});
    ++label;
  }
  auto& all = families_[static_cast<std::size_t>(metric)].metric;
  all.push_back(std::move(out));
  return all.back();
}

void Exposition::add(Metric metric, std::initializer_list<std::string_view> values, double value) {
  assert(describe(metric).type != Type::kHistogram);
  prometheus::ClientMetric& out = series(metric, values);
  if (describe(metric).type == Type::kCounter) {
    out.counter.value = value;
  } else {
    out.gauge.value = value;
  }
}

void Exposition::add(Metric metric, std::initializer_list<std::string_view> values,
                     const Histogram& histogram) {
  assert(describe(metric).type == Type::kHistogram);
  series(metric, values).histogram = histogram.read();
}

std::string Exposition::text() const {
  std::vector<prometheus::MetricFamily> out;
  for (std::size_t i = 0; i < kCatalog.size(); ++i) {
    prometheus::MetricFamily family = families_[i];
    const Description& description = kCatalog[i];
    if (description.type != Type::kGauge) add_missing(description, family);
    if (family.metric.empty()) continue;
    family.name = description.name;
    family.help = description.help;
    family.type = prometheus_type(description.type);
    out.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(out);
}

// What differs are the comments: a counter's family is called without _total, units are told, and
// there is an end. prometheus-cpp cannot write it, nor does it know exemplars.
std::string Exposition::open_metrics() const {
  const std::string text = this->text();
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.starts_with("# ")) {  // "# HELP NAME TEXT" or "# TYPE NAME TYPE"
      const std::string_view keyword = line.substr(0, 7);
      const std::string_view after = line.substr(7);
      std::string_view name = after.substr(0, after.find(' '));
      const std::string_view what = after.substr(name.size());
      if (name.ends_with(kTotal)) name.remove_suffix(kTotal.size());
      out.append(keyword).append(name).append(what).append("\n");
      if (const std::string_view unit = unit_of(name); keyword == "# TYPE " && !unit.empty())
        out.append("# UNIT ").append(name).append(" ").append(unit).append("\n");
    } else {
      out.append(line).append("\n");
    }
  }
  return out.append("# EOF\n");
}

}  // namespace cryptnono::metrics
