// Routes: which request gets which answer. Pure but for what it calls.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/types.h"
#include "http/message.h"

namespace cryptnono::status {

enum class Route : std::uint8_t { kPage, kStatus, kHealth, kReady, kMetrics, kOpenMetrics };

// "/" is the page for who would rather have HTML; "/status.json", "/healthz" and "/readyz" are what
// they say; any other path, "/" included, is metrics, in OpenMetrics for who asks for it: the
// predecessor's users scrape any path.
Route route_of(const http::Request& request);

// Whether this request is told who was killed. On loopback a name in the header Host, or a proxy,
// means that a stranger may ask through somebody's browser or proxy.
bool shows_details(const http::Request& request, config::MetricsDetails details);

// What the answers are made of, when they are asked for.
struct Sources {
  std::function<std::string()> metrics;       // in the text format
  std::function<std::string()> open_metrics;  // none: the text format is all there is
  std::function<std::string(bool details)> status_json;
  std::function<std::string()> unhealthy;               // why; "": it is healthy
  std::function<std::vector<std::string>()> not_ready;  // as reasons_not_ready
  std::function<config::MetricsDetails()> details;
  std::function<std::string_view()> page;  // none: there is no page, and "/" is metrics
};

http::Response answer(const http::Request& request, const Sources& sources);

}  // namespace cryptnono::status
