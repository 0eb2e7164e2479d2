#include <algorithm>

#include "status/status.h"

namespace cryptnono::status {

namespace {

bool speaks_against(const Canary& canary) {
  return canary.result == "survived" || canary.result == "untold" || canary.result == "failed";
}

std::string with(const std::string& text, const std::string& why) {
  return why.empty() ? text : text + ": " + why;
}

}  // namespace

std::vector<std::string> reasons_not_ready(bool started, const std::vector<Detector>& detectors) {
  if (!started) return {"the start is not complete"};
  std::vector<std::string> out;
  std::vector<std::string> down;
  bool any_up = false;
  for (const Detector& each : detectors) {
    any_up = any_up || each.up;
    if (!each.enabled || each.up) continue;
    if (each.unavailable) {
      down.push_back(with(each.name + " cannot run here", each.why));
    } else if (each.canary.result == "pending") {
      out.push_back(each.name + ": no canary has been run yet");
    } else if (speaks_against(each.canary)) {
      out.push_back(with(each.name + ": the last canary " + each.canary.result, each.canary.why));
    } else {
      out.push_back(with(each.name + " is not up", each.why));
    }
  }
  for (const Detector& each : detectors) {
    if (each.enabled && each.up && each.canary.result == "pending")
      out.push_back(each.name + ": no canary has been run yet");
  }
  if (!any_up) out.insert(out.end(), down.begin(), down.end());
  return out;
}

}  // namespace cryptnono::status
