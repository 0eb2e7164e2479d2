#include "status/routes.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "http/accept.h"

namespace cryptnono::status {

namespace {

using Header = std::pair<std::string_view, std::string_view>;

constexpr Header kPlain{"Content-Type", "text/plain; charset=utf-8"};
constexpr Header kNoStore{"Cache-Control", "no-store"};
constexpr Header kNoSniff{"X-Content-Type-Options", "nosniff"};
// No other site's page may read it through somebody's browser.
constexpr Header kSameOrigin{"Cross-Origin-Resource-Policy", "same-origin"};

Route metrics_format(const std::vector<http::MediaRange>& ranges) {
  const double open =
      http::quality_of(ranges, "application", "openmetrics-text", "1.0.0", /*exactly=*/true);
  const double text = http::quality_of(ranges, "text", "plain", "0.0.4");
  return open > 0 && open >= text ? Route::kOpenMetrics : Route::kMetrics;
}

bool prefers_html(const std::vector<http::MediaRange>& ranges) {
  const double html = http::quality_of(ranges, "text", "html", "", /*exactly=*/true);
  return html > http::quality_of(ranges, "text", "plain", "0.0.4") &&
         html > http::quality_of(ranges, "application", "openmetrics-text", "1.0.0");
}

// "192.0.2.1", "[2001:db8::1]" or "localhost", each with a port or without; a name is none.
bool names_no_site(std::string_view host) {
  if (host.empty()) return true;
  const bool brackets = host.starts_with('[');
  const std::size_t end = brackets ? host.find(']') : host.find(':');
  const std::string name(host.substr(brackets ? 1 : 0, end == std::string_view::npos
                                                           ? std::string_view::npos
                                                           : end - (brackets ? 1 : 0)));
  in6_addr parsed{};  // room for both families
  return ascii_lower(name) == "localhost" ||
         ::inet_pton(brackets ? AF_INET6 : AF_INET, name.c_str(), &parsed) == 1;
}

http::Response health(const std::string& unhealthy) {
  const bool healthy = unhealthy.empty();
  return {.status = healthy ? 200 : 503,
          .headers = {kPlain, kNoStore},
          .body = (healthy ? "ok" : unhealthy) + "\n"};
}

http::Response readiness(const std::vector<std::string>& reasons) {
  http::Response out{.status = reasons.empty() ? 200 : 503, .headers = {kPlain, kNoStore}};
  if (reasons.empty()) out.body = "ready\n";
  for (const std::string& reason : reasons) out.body += for_terminal(reason) + "\n";
  return out;
}

http::Response page(std::string_view html) {
  return {.headers = {{"Content-Type", "text/html; charset=utf-8"},
                      {"Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                       "connect-src 'self'; base-uri 'none'; form-action 'none'; "
                       "frame-ancestors 'none'"},
                      kNoSniff,
                      kNoStore,
                      kSameOrigin,
                      {"Referrer-Policy", "no-referrer"}},
          .body = std::string(html)};
}

}  // namespace

Route route_of(const http::Request& request) {
  if (request.path == "/status.json") return Route::kStatus;
  if (request.path == "/healthz") return Route::kHealth;
  if (request.path == "/readyz") return Route::kReady;
  const std::vector<http::MediaRange> ranges = http::parse_accept(request.accept);
  if (request.path == "/" && prefers_html(ranges)) return Route::kPage;
  return metrics_format(ranges);
}

bool shows_details(const http::Request& request, config::MetricsDetails details) {
  if (request.peer == http::Peer::kControl) return true;
  if (details == config::MetricsDetails::kAll) return true;
  return details == config::MetricsDetails::kLoopback && request.peer == http::Peer::kLoopback &&
         !request.forwarded && names_no_site(request.host);
}

http::Response answer(const http::Request& request, const Sources& sources) {
  Route route = route_of(request);
  if (route == Route::kPage && !sources.page) route = Route::kMetrics;
  if (route == Route::kOpenMetrics && !sources.open_metrics) route = Route::kMetrics;
  switch (route) {
    case Route::kPage:
      return page(sources.page());
    case Route::kStatus:
      return {.headers = {{"Content-Type", "application/json"}, kNoSniff, kNoStore, kSameOrigin},
              .body = sources.status_json(shows_details(request, sources.details()))};
    case Route::kHealth:
      return health(sources.unhealthy());
    case Route::kReady:
      return readiness(sources.not_ready());
    case Route::kOpenMetrics:
      return {.headers = {{"Content-Type",
                           "application/openmetrics-text; version=1.0.0; charset=utf-8"},
                          {"Vary", "Accept"}},
              .body = sources.open_metrics()};
    case Route::kMetrics:
      break;
  }
  return {
      .headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}, {"Vary", "Accept"}},
      .body = sources.metrics()};
}

}  // namespace cryptnono::status
