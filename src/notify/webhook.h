// Webhook: delivers events to a URL, on a thread of its own, so that no receiver ever delays a
// kill.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>

#include "notify/http_client.h"

namespace cryptnono::notify {

// When a delivery that failed is tried again: after `first`, doubling to `longest`, each a quarter
// more or less by chance.
struct Backoff {
  std::chrono::milliseconds first{1000};
  std::chrono::milliseconds longest{60'000};
  std::chrono::milliseconds longest_retry_after{300'000};  // what a receiver may ask for
  int attempts = 15;                                       // the first one too: about ten minutes
};

struct WebhookSettings {
  std::string url = {};      // empty: nothing is sent, and what waits is dropped
  std::string secret = {};   // empty: no signature
  std::string ca_file = {};  // empty: the system's
  std::chrono::milliseconds timeout{5000};
  Backoff backoff = {};
  std::size_t max_queued = 1024;  // events, the one under way too
  std::size_t max_queued_bytes = 8 << 20;
  std::chrono::milliseconds last_wait{2000};  // for what is queued at the end
};

// post(), use() and counters(): any thread. Events arrive in the order of post(), at least once
// each; one that is tried again has the same X-Cryptnono-Delivery.
class Webhook {
 public:
  struct Counters {
    std::uint64_t sent = 0;
    std::uint64_t retries = 0;
    std::uint64_t refused = 0;  // a final answer that is not 2xx
    std::uint64_t dropped_queue_full = 0;
    std::uint64_t dropped_gave_up = 0;
  };

  explicit Webhook(WebhookSettings settings);
  // Tries for `last_wait` to deliver what is queued.
  ~Webhook();
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  // Never blocks. `body` is a JSON object. What does not fit is dropped and counted.
  void post(std::string_view action, std::string body);
  // From the next attempt on, which is at once. The bounds and `last_wait` stay as they were.
  void use(WebhookSettings settings);
  // As the destructor; the counters can still be read.
  void stop();
  [[nodiscard]] Counters counters() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Event {
    std::string action;
    std::string body;
    std::string delivery;
  };
  enum class Verdict : std::uint8_t { kSent, kRefused, kRetry };

  void run();
  void deliver_first(std::unique_lock<std::mutex>& lock);
  Verdict attempt(const Event& event, const WebhookSettings& settings,
                  std::chrono::milliseconds& wait);
  void pop(std::atomic<std::uint64_t>& counter);
  std::chrono::milliseconds time_left();
  std::chrono::milliseconds jittered(std::chrono::milliseconds wait);

  const std::size_t max_queued_, max_queued_bytes_;
  const std::chrono::milliseconds last_wait_;
  const std::string start_;  // of every delivery's name
  std::atomic<std::uint64_t> sent_ = 0, retries_ = 0, refused_ = 0, full_ = 0, gave_up_ = 0;
  HttpClient client_;    // of the thread
  std::mt19937 random_;  // of the thread
  std::mutex mutex_;
  std::condition_variable wake_;
  // All below guarded by mutex_. The thread alone removes from the queue, so that it may read the
  // first event without the lock.
  WebhookSettings settings_;
  std::uint64_t settings_number_ = 0;
  std::deque<Event> queue_;
  std::size_t queued_bytes_ = 0;
  std::uint64_t posted_ = 0;
  bool stop_ = false;
  Clock::time_point stop_at_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace cryptnono::notify
