#include "notify/webhook.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/clock.h"
#include "base/hmac.h"

#ifndef CRYPTNONO_VERSION
#define CRYPTNONO_VERSION "unknown"
#endif

namespace cryptnono::notify {

namespace {

using std::chrono::milliseconds;

std::string random_start() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

bool worth_a_retry(long status) {
  constexpr long kTooManyRequests = 429;
  return status == 0 || status == kTooManyRequests || status >= 500;
}

}  // namespace

Webhook::Webhook(WebhookSettings settings)
    : max_queued_(settings.max_queued),
      max_queued_bytes_(settings.max_queued_bytes),
      last_wait_(settings.last_wait),
      start_(random_start()),
      random_(std::random_device()()),
      settings_(std::move(settings)),
      thread_([this] { run(); }) {}

Webhook::~Webhook() { stop(); }

void Webhook::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stop_) return;
    stop_ = true;
    stop_at_ = Clock::now() + last_wait_;
  }
  wake_.notify_all();
  client_.wake();
  thread_.join();
}

void Webhook::post(std::string_view action, std::string body) {
  {
    const std::lock_guard lock(mutex_);
    if (stop_ || queue_.size() >= max_queued_ || queued_bytes_ + body.size() > max_queued_bytes_) {
      ++full_;
      return;
    }
    queued_bytes_ += body.size();
    queue_.push_back(
        {std::string(action), std::move(body), fmt::format("{}-{}", start_, ++posted_)});
  }
  wake_.notify_one();
}

void Webhook::use(WebhookSettings settings) {
  {
    const std::lock_guard lock(mutex_);
    settings_ = std::move(settings);
    ++settings_number_;
  }
  wake_.notify_one();
}

Webhook::Counters Webhook::counters() const {
  return {.sent = sent_,
          .retries = retries_,
          .refused = refused_,
          .dropped_queue_full = full_,
          .dropped_gave_up = gave_up_};
}

void Webhook::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (queue_.empty()) return;
    if (settings_.url.empty() || (stop_ && Clock::now() >= stop_at_)) {
      pop(gave_up_);
    } else {
      deliver_first(lock);
    }
  }
}

// The caller holds mutex_.
void Webhook::pop(std::atomic<std::uint64_t>& counter) {
  queued_bytes_ -= queue_.front().body.size();
  queue_.pop_front();
  ++counter;
}

// Until it is sent or lost, or there are new settings or an end, which run() looks at.
void Webhook::deliver_first(std::unique_lock<std::mutex>& lock) {
  const WebhookSettings settings = settings_;
  const std::uint64_t number = settings_number_;
  const Event& event = queue_.front();  // push_back leaves it where it is
  milliseconds backoff = settings.backoff.first;
  for (int attempts = 1;; ++attempts) {
    milliseconds wait = jittered(backoff);
    lock.unlock();
    const Verdict verdict = attempt(event, settings, wait);
    lock.lock();
    if (verdict == Verdict::kSent) return pop(sent_);
    if (verdict == Verdict::kRefused) return pop(refused_);
    if (attempts >= settings.backoff.attempts) return pop(gave_up_);
    Clock::time_point next = Clock::now() + wait;
    const bool stopping = stop_;
    if (stopping) next = std::min(next, stop_at_);
    wake_.wait_until(lock, next, [&] { return stop_ != stopping || settings_number_ != number; });
    if (stop_ && Clock::now() >= stop_at_) return;
    ++retries_;
    if (settings_number_ != number) return;
    backoff = std::min(backoff * 2, settings.backoff.longest);
  }
}

Webhook::Verdict Webhook::attempt(const Event& event, const WebhookSettings& settings,
                                  milliseconds& wait) {
  const auto now = static_cast<std::int64_t>(unix_time());
  Request request{
      .url = settings.url,
      .ca_file = settings.ca_file,
      .headers = {"Content-Type: application/json",
                  "Expect:", std::string("User-Agent: cryptnono/") + CRYPTNONO_VERSION,
                  "X-Cryptnono-Event: " + event.action, "X-Cryptnono-Delivery: " + event.delivery,
                  fmt::format("X-Cryptnono-Timestamp: {}", now)},
      .body = event.body,
      .timeout = settings.timeout};
  if (!settings.secret.empty()) {
    const std::string signature =
        hmac_sha256_hex(settings.secret, fmt::format("{}.{}", now, event.body));
    if (signature.empty()) return Verdict::kRetry;  // never without one
    request.headers.push_back("X-Cryptnono-Signature: sha256=" + signature);
  }
  const Answer answer = client_.post(request, [this] { return time_left(); });
  if (answer.status >= 200 && answer.status < 300) return Verdict::kSent;
  if (!worth_a_retry(answer.status)) return Verdict::kRefused;
  const milliseconds asked = answer.retry_after;
  wait = std::max(wait, std::min(asked, settings.backoff.longest_retry_after));
  return Verdict::kRetry;
}

milliseconds Webhook::time_left() {
  const std::lock_guard lock(mutex_);
  if (!stop_) return milliseconds::max();
  return std::chrono::ceil<milliseconds>(stop_at_ - Clock::now());
}

milliseconds Webhook::jittered(milliseconds wait) {
  std::uniform_real_distribution<double> factor(0.75, 1.25);
  return std::chrono::ceil<milliseconds>(std::chrono::duration<double, std::milli>(
      static_cast<double>(wait.count()) * factor(random_)));
}

}  // namespace cryptnono::notify
