#include "status/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cryptnono::status {
namespace {

using config::MetricsDetails;
using http::Peer;
using http::Request;
using http::Response;

// What they send: Prometheus 2.42 (Debian 12), Prometheus 3, curl, and Chromium.
constexpr std::string_view kPrometheus2 =
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
constexpr std::string_view kPrometheus3 =
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
constexpr std::string_view kCurl = "*/*";
constexpr std::string_view kChromium =
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/"
    "*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7";

Route route(std::string_view path, std::string_view accept) {
  return route_of(
      {.method = "GET", .path = std::string(path), .accept = std::string(accept), .host = {}});
}

TEST(Routes, give_metrics_on_every_path_in_the_format_that_is_wanted) {
  for (const std::string_view path :
       {"/", "/metrics", "/any/other", "/healthz/", "/status", "//"}) {
    EXPECT_EQ(route(path, kPrometheus2), Route::kOpenMetrics) << path;
    EXPECT_EQ(route(path, kPrometheus3), Route::kOpenMetrics) << path;
    EXPECT_EQ(route(path, kCurl), Route::kMetrics) << path;
    EXPECT_EQ(route(path, ""), Route::kMetrics) << path;
    EXPECT_EQ(route(path, "image/png"), Route::kMetrics) << path;
  }
  EXPECT_EQ(route("/metrics", kChromium), Route::kMetrics);
  EXPECT_EQ(route("/", "text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5"),
            Route::kMetrics);
  EXPECT_EQ(route("/", "application/openmetrics-text;version=0.0.1"), Route::kMetrics);
  EXPECT_EQ(route("/", "application/openmetrics-text;q=0, */*"), Route::kMetrics);
}

TEST(Routes, give_the_page_to_who_would_rather_have_html) {
  EXPECT_EQ(route("/", kChromium), Route::kPage);
  EXPECT_EQ(route("/", "text/html"), Route::kPage);
  EXPECT_EQ(route("/", "text/html;q=0.4, text/plain;q=0.5"), Route::kMetrics);
  EXPECT_EQ(route("/", "text/html, text/plain"), Route::kMetrics);
  EXPECT_EQ(route("/", "text/*"), Route::kMetrics);
}

TEST(Routes, know_status_and_health_whatever_is_accepted) {
  for (const std::string_view accept : {kPrometheus2, kCurl, kChromium, std::string_view()}) {
    EXPECT_EQ(route("/status.json", accept), Route::kStatus);
    EXPECT_EQ(route("/healthz", accept), Route::kHealth);
    EXPECT_EQ(route("/readyz", accept), Route::kReady);
  }
}

bool shown(Peer peer, MetricsDetails details, std::string host = "127.0.0.1:12121",
           bool forwarded = false) {
  return shows_details({.method = "GET",
                        .path = "/status.json",
                        .accept = {},
                        .host = std::move(host),
                        .forwarded = forwarded,
                        .peer = peer},
                       details);
}

TEST(Details, are_told_as_configured) {
  using D = MetricsDetails;
  for (const D details : {D::kNone, D::kLoopback, D::kAll})
    EXPECT_TRUE(shown(Peer::kControl, details, "localhost"));
  EXPECT_FALSE(shown(Peer::kLoopback, D::kNone));
  EXPECT_TRUE(shown(Peer::kLoopback, D::kLoopback));
  EXPECT_TRUE(shown(Peer::kLoopback, D::kAll));
  EXPECT_FALSE(shown(Peer::kOther, D::kNone));
  EXPECT_FALSE(shown(Peer::kOther, D::kLoopback));
  EXPECT_TRUE(shown(Peer::kOther, D::kAll));
}

// A page of a site whose name leads to 127.0.0.1 asks with that name in Host.
TEST(Details, on_loopback_are_not_for_who_comes_through_a_browser_or_a_proxy) {
  for (const std::string host :
       {"", "localhost", "LOCALHOST:1", "127.0.0.1", "10.0.0.1:80", "[::1]:12121", "[::1]"})
    EXPECT_TRUE(shown(Peer::kLoopback, MetricsDetails::kLoopback, host)) << host;
  for (const std::string host : {"evil.example", "evil.example:12121", "127.0.0.1.evil.example",
                                 "localhost.evil.example", "::1", "[evil]", "["})
    EXPECT_FALSE(shown(Peer::kLoopback, MetricsDetails::kLoopback, host)) << host;
  EXPECT_FALSE(shown(Peer::kLoopback, MetricsDetails::kLoopback, "127.0.0.1", true));
}

Sources sources() {
  return {.metrics = [] { return "text"; },
          .open_metrics = [] { return "open"; },
          .status_json = [](bool details) { return details ? "all" : "some"; },
          .unhealthy = [] { return ""; },
          .not_ready = [] { return std::vector<std::string>{}; },
          .details = [] { return MetricsDetails::kNone; },
          .page = [] { return std::string_view("<html>"); }};
}

std::string header(const Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return std::string(value);
  return "";
}

Response get(const Sources& from, std::string_view path, std::string_view accept = "",
             Peer peer = Peer::kOther) {
  return answer({.method = "GET",
                 .path = std::string(path),
                 .accept = std::string(accept),
                 .host = {},
                 .forwarded = false,
                 .peer = peer},
                from);
}

TEST(Answer, has_the_type_of_what_it_is) {
  EXPECT_EQ(header(get(sources(), "/"), "Content-Type"),
            "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(get(sources(), "/").body, "text");
  const Response open = get(sources(), "/", kPrometheus2);
  EXPECT_EQ(header(open, "Content-Type"),
            "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_EQ(open.body, "open");
  const Response json = get(sources(), "/status.json");
  EXPECT_EQ(header(json, "Content-Type"), "application/json");
  EXPECT_EQ(header(json, "Cache-Control"), "no-store");
  EXPECT_EQ(json.body, "some");
  EXPECT_EQ(get(sources(), "/status.json", "", Peer::kControl).body, "all");
}

TEST(Answer, the_page_runs_nothing_of_others) {
  const Response page = get(sources(), "/", kChromium);
  EXPECT_EQ(page.body, "<html>");
  EXPECT_EQ(header(page, "Content-Security-Policy"),
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
            "connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  EXPECT_EQ(header(page, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(header(page, "Cache-Control"), "no-store");
  EXPECT_EQ(header(page, "Referrer-Policy"), "no-referrer");
  Sources without = sources();
  without.page = nullptr;
  without.open_metrics = nullptr;
  EXPECT_EQ(get(without, "/", kChromium).body, "text");
  EXPECT_EQ(header(get(without, "/", kPrometheus2), "Content-Type"),
            "text/plain; version=0.0.4; charset=utf-8");
}

TEST(Answer, says_why_it_is_not_well_or_not_ready) {
  EXPECT_EQ(get(sources(), "/healthz").status, 200);
  EXPECT_EQ(get(sources(), "/healthz").body, "ok\n");
  EXPECT_EQ(get(sources(), "/readyz").body, "ready\n");
  Sources ill = sources();
  ill.unhealthy = [] { return "the main loop hangs"; };
  ill.not_ready = [] { return std::vector<std::string>{"one", "two\nlines"}; };
  EXPECT_EQ(get(ill, "/healthz").status, 503);
  EXPECT_EQ(get(ill, "/healthz").body, "the main loop hangs\n");
  EXPECT_EQ(get(ill, "/readyz").status, 503);
  EXPECT_EQ(get(ill, "/readyz").body, "one\ntwo\\x0alines\n");
}

}  // namespace
}  // namespace cryptnono::status
