// Responses: what follows a kill. How harsh it is, by configuration, namespace and escalation, and
// the line that tells of it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "app/event_log.h"
#include "app/pod_watch.h"
#include "config/types.h"
#include "detect/subject.h"
#include "enforce/escalation.h"
#include "enforce/responder.h"
#include "metrics/exposition.h"

namespace cryptnono::app {

// Any thread, but use() and stop(), which belong to one.
class Responses {
 public:
  // All must outlive the object. `protection` says whom a response may not touch.
  Responses(EventLog& log, const PodWatch& pods, const enforce::Protection& protection);

  void use(const config::Config& config);
  // Ends what is under way, and drops what waits.
  void stop();

  // A process has been killed; `said` is the action of its detector or rule group. Counts the kill,
  // and sees to the rest of the action, which this returns, for the log.
  config::Action after_kill(const detect::Subject& who, std::string_view detector,
                            config::Action said);

  void collect(metrics::Exposition& out) const;

 private:
  [[nodiscard]] std::vector<enforce::ProcessId> tree_of(const detect::Subject& who) const;
  void tell(const detect::Subject& who, const std::string& detector,
            const enforce::Response& response);

  EventLog& log_;
  const PodWatch& pods_;
  enforce::Escalation escalation_;
  mutable std::mutex mutex_;
  // All below guarded by mutex_.
  std::map<std::string, config::Action> namespace_actions_;
  config::Action escalated_ = config::Action::kKillContainer;
  std::unique_ptr<enforce::Responder> responder_;
};

}  // namespace cryptnono::app
