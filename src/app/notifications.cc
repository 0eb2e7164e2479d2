#include "app/notifications.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace cryptnono::app {

Notifications::~Notifications() { stop(); }

void Notifications::use(const config::Webhook& settings) {
  if (settings == settings_) return;
  settings_ = settings;
  if (settings.url.empty() && !webhook_) return;
  notify::WebhookSettings to{.url = settings.url,
                             .secret = settings.secret,
                             .ca_file = settings.ca_file,
                             .timeout = std::chrono::seconds(settings.timeout_s)};
  if (webhook_) {
    webhook_->use(std::move(to));
  } else {
    const std::lock_guard lock(mutex_);
    webhook_ = std::make_unique<notify::Webhook>(std::move(to));
  }
  if (settings.url.empty()) return events_.send_to(nullptr);
  events_.send_to([webhook = webhook_.get(), actions = settings.actions](std::string_view action,
                                                                         const std::string& line) {
    if (std::find(actions.begin(), actions.end(), action) != actions.end())
      webhook->post(action, line);
  });
}

std::uint64_t Notifications::stop() {
  events_.send_to(nullptr);
  if (!webhook_) return 0;
  webhook_->stop();
  const notify::Webhook::Counters counters = webhook_->counters();
  return counters.refused + counters.dropped_queue_full + counters.dropped_gave_up;
}

void Notifications::collect(metrics::Exposition& out) const {
  using metrics::Metric;
  const std::lock_guard lock(mutex_);
  if (!webhook_) return;
  const notify::Webhook::Counters counters = webhook_->counters();
  out.add(Metric::kWebhookDeliveries, {"sent"}, counters.sent);
  out.add(Metric::kWebhookDeliveries, {"refused"}, counters.refused);
  out.add(Metric::kWebhookDeliveries, {"dropped-queue-full"}, counters.dropped_queue_full);
  out.add(Metric::kWebhookDeliveries, {"dropped-gave-up"}, counters.dropped_gave_up);
  out.add(Metric::kWebhookRetries, {}, counters.retries);
}

}  // namespace cryptnono::app
