#include "metrics/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <vector>

namespace cryptnono::metrics {
namespace {

using testing::Contains;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> lines(const Exposition& exposition) {
  std::istringstream in(exposition.text());
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

// What the predecessor's users compare: whole lines, before anything has been counted.
TEST(Exposition, has_every_counter_of_the_predecessor_at_0_from_the_start) {
  const std::vector<std::string> all = lines(Exposition());
  const std::string prefix = "cryptnono_execwhacker_processes_";
  for (const std::string source : {"execwhacker.bpf", "psutil.process_iter"}) {
    for (const std::string what : {"checked", "killed", "missed"}) {
      EXPECT_THAT(all, Contains(prefix + what + "_total{source=\"" + source + "\"} 0"));
    }
    for (const std::string reason : {"is-substring", "allowed-pattern", "no-match"}) {
      EXPECT_THAT(all, Contains(prefix + "allowed_total{source=\"" + source + "\",allowedby=\"" +
                                reason + "\"} 0"));
    }
  }
  EXPECT_THAT(all, Contains("cryptnono_execwhacker_unexpected_errors_total 0"));
}

TEST(Exposition, states_a_counted_series_once) {
  Exposition exposition;
  exposition.add(Metric::kKilled, {"execwhacker.bpf"}, std::uint64_t{3});
  std::vector<std::string> killed = lines(exposition);
  std::erase_if(killed, [](const std::string& line) {
    return !line.starts_with("cryptnono_execwhacker_processes_killed_total");
  });
  EXPECT_THAT(
      killed,
      testing::ElementsAre(
          R"(cryptnono_execwhacker_processes_killed_total{source="execwhacker.bpf"} 3)",
          R"(cryptnono_execwhacker_processes_killed_total{source="psutil.process_iter"} 0)"));
}

TEST(Exposition, leaves_out_a_gauge_that_nobody_knows) {
  EXPECT_THAT(Exposition().text(), Not(HasSubstr("cryptnono_detector_up")));
  Exposition exposition;
  exposition.add(Metric::kDetectorUp, {"execwhacker"}, 0.0);
  EXPECT_THAT(lines(exposition), Contains(R"(cryptnono_detector_up{detector="execwhacker"} 0)"));
}

TEST(Exposition, writes_a_histogram_with_cumulative_buckets) {
  Histogram histogram;
  histogram.observe(0.0003);
  histogram.observe(0.0005);  // a bound belongs to its bucket
  histogram.observe(100);
  Exposition exposition;
  exposition.add(Metric::kDecisionSeconds, {}, histogram);
  const std::vector<std::string> all = lines(exposition);
  const std::string name = "cryptnono_exec_decision_seconds";
  EXPECT_THAT(all, Contains("# TYPE " + name + " histogram"));
  EXPECT_THAT(all, Contains(name + "_bucket{le=\"0.00025\"} 0"));
  EXPECT_THAT(all, Contains(name + "_bucket{le=\"0.0005\"} 2"));
  EXPECT_THAT(all, Contains(name + "_bucket{le=\"60\"} 2"));
  EXPECT_THAT(all, Contains(name + "_bucket{le=\"+Inf\"} 3"));
  EXPECT_THAT(all, Contains(name + "_count 3"));
}

TEST(Exposition, has_every_histogram_from_the_start) {
  Histogram histogram;
  histogram.observe(2e-6);
  Exposition exposition;
  exposition.add(Metric::kKillLatency, {"monero"}, histogram);
  const std::vector<std::string> all = lines(exposition);
  const std::string name = "cryptnono_kill_latency_seconds";
  EXPECT_THAT(all, Contains(name + "_count{detector=\"monero\"} 1"));
  EXPECT_THAT(all, Contains(name + "_bucket{detector=\"monero\",le=\"2.5e-06\"} 1"));
  EXPECT_THAT(all, Contains(name + "_count{detector=\"execwhacker\"} 0"));
  EXPECT_THAT(all, Contains(name + "_bucket{detector=\"execwhacker\",le=\"+Inf\"} 0"));
}

TEST(Exposition, writes_open_metrics) {
  Exposition exposition;
  exposition.add(Metric::kProcessCpu, {}, 0.25);
  const std::string out = exposition.open_metrics();
  EXPECT_THAT(out,
              HasSubstr("# HELP process_cpu_seconds Total user and system CPU time spent in "
                        "seconds.\n# TYPE process_cpu_seconds counter\n"
                        "# UNIT process_cpu_seconds seconds\nprocess_cpu_seconds_total 0.25\n"));
  EXPECT_THAT(out, HasSubstr("# TYPE cryptnono_events_lost counter\ncryptnono_events_lost_total{"));
  EXPECT_TRUE(out.ends_with("\n# EOF\n"));
}

// OpenMetrics escapes it in help, the text format does not.
TEST(Catalog, has_no_quote_in_help) {
  for (const Description& metric : kCatalog)
    EXPECT_THAT(std::string(metric.help), Not(HasSubstr("\"")));
}

TEST(Exposition, keeps_the_buckets_of_the_predecessor) {
  for (const double bound : {.005, .01, .025, .05, .075, .1, .25, .5, .75, 1., 2.5, 5., 7.5, 10.}) {
    EXPECT_THAT(Histogram::kBounds, Contains(bound));
  }
  EXPECT_TRUE(std::ranges::is_sorted(Histogram::kBounds));
}

TEST(Exposition, writes_a_timestamp_without_losing_seconds) {
  Exposition exposition;
  exposition.add(Metric::kReloadTimestamp, {}, 1764000123.0);
  EXPECT_THAT(lines(exposition),
              Contains("cryptnono_config_last_reload_success_timestamp_seconds 1764000123"));
}

// Prometheus' conventions, which its linter checks too.
TEST(Catalog, follows_the_naming_conventions) {
  std::set<std::string_view> names;
  for (const Description& metric : kCatalog) {
    EXPECT_THAT(std::string(metric.name),
                testing::MatchesRegex("(cryptnono|process)_[a-z][a-z_]*[a-z]"));
    EXPECT_FALSE(metric.help.empty()) << metric.name;
    EXPECT_EQ(metric.name.ends_with("_total"), metric.type == Type::kCounter) << metric.name;
    if (metric.type == Type::kHistogram) {
      EXPECT_THAT(std::string(metric.name), ContainsRegex("_seconds$"));
    }
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name << " stands there twice";
  }
}

// The promise of the header: a value that is not listed cannot come from a user's data. Names of
// groups are the operator's own, and at most as many as there are groups.
TEST(Catalog, lists_the_values_of_every_label_but_versions_and_groups) {
  for (const Description& metric : kCatalog) {
    for (const Label& label : metric.labels) {
      EXPECT_EQ(label.values.empty(), label.name == "version" || label.name == "group")
          << metric.name << " " << label.name;
    }
  }
}

}  // namespace
}  // namespace cryptnono::metrics
