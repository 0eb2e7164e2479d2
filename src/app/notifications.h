// Notifications: hands the lines of the event log that are configured to the webhook.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "app/event_log.h"
#include "config/types.h"
#include "metrics/exposition.h"
#include "notify/webhook.h"

namespace cryptnono::app {

// collect(): any thread; the others: one. `events` must outlive the object.
class Notifications {
 public:
  explicit Notifications(EventLog& events) : events_(events) {}
  ~Notifications();
  Notifications(const Notifications&) = delete;
  Notifications& operator=(const Notifications&) = delete;

  // From here on tells so. Does not wait; what is queued goes where new events go.
  void use(const config::Webhook& settings);
  // Waits at most two seconds for what is queued. Returns how many events were lost in all.
  std::uint64_t stop();
  void collect(metrics::Exposition& out) const;

 private:
  EventLog& events_;
  config::Webhook settings_;
  mutable std::mutex mutex_;
  std::unique_ptr<notify::Webhook> webhook_;  // made once; guarded by mutex_ but for use()
};

}  // namespace cryptnono::app
