#include "runtime/container_lookup.h"

#include <unistd.h>

#include <algorithm>

#include "base/clock.h"

namespace cryptnono::runtime {

ContainerLookup::ContainerLookup(LookupSettings settings)
    : settings_(std::move(settings)), thread_([this] { run(); }) {}

ContainerLookup::~ContainerLookup() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  for (Request& request : waiting_) {
    if (request.done) request.done(nullptr);
  }
}

void ContainerLookup::find(const std::string& id, RuntimeKind kind, Done done) {
  std::shared_ptr<const ContainerDetails> known;
  {
    const std::lock_guard lock(mutex_);
    known = cached(id);
    const bool ask = !known && !stopping_ && monotonic_ns() >= down_until_ns(kind);
    if (ask && waiting_.size() < kMaxWaiting) {
      waiting_.push_back({id, kind, std::move(done)});
      wake_.notify_all();
      return;
    }
    if (ask) ++counters_.dropped;
  }
  done(known.get());
}

void ContainerLookup::prefetch(const std::string& id, RuntimeKind kind) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || index_.contains(id) || ahead_.size() >= kMaxAhead ||
      monotonic_ns() < down_until_ns(kind) || is_unknown(id) || !queued_ahead_.insert(id).second) {
    return;
  }
  ahead_.push_back({id, kind, nullptr});
  wake_.notify_all();
}

ContainerLookup::Counters ContainerLookup::counters() const {
  const std::lock_guard lock(mutex_);
  Counters out = counters_;
  out.cached = cache_.size();
  return out;
}

// Who waits for an answer goes before what is asked ahead.
ContainerLookup::Request ContainerLookup::take_next() {
  std::deque<Request>& queue = waiting_.empty() ? ahead_ : waiting_;
  Request next = std::move(queue.front());
  queue.pop_front();
  if (!next.done) queued_ahead_.erase(next.id);
  return next;
}

void ContainerLookup::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty() || !ahead_.empty(); });
    if (stopping_) return;
    const Request request = take_next();
    std::shared_ptr<const ContainerDetails> details = cached(request.id);
    const bool down = monotonic_ns() < down_until_ns(request.kind);
    lock.unlock();
    if (!details && !down) details = ask(request);
    if (request.done) request.done(details.get());
    lock.lock();
  }
}

// What no runtime knows is not asked ahead again and again: pod sandboxes, containers that are
// gone.
void ContainerLookup::remember_unknown(const std::string& id) {
  if (unknown_.size() >= kMaxCached) unknown_.clear();
  unknown_[id] = monotonic_ns() + kUnknownNs;
}

bool ContainerLookup::is_unknown(const std::string& id) const {
  const auto found = unknown_.find(id);
  return found != unknown_.end() && monotonic_ns() < found->second;
}

template <typename Client>
std::shared_ptr<const ContainerDetails> ContainerLookup::ask(Endpoints<Client>& endpoints,
                                                             const std::vector<std::string>& paths,
                                                             const Request& request,
                                                             bool& answered) {
  for (const std::string& path : paths) {
    if (access(path.c_str(), F_OK) != 0) continue;
    Endpoint<Client>& endpoint = endpoints.try_emplace(path, path).first->second;
    if (monotonic_ns() < endpoint.down_until_ns) continue;
    auto answer = endpoint.client.container(request.id, settings_.environment, kTimeoutMs);
    const std::lock_guard lock(mutex_);
    if (!answer) {
      ++counters_.failed;
      // Docker answers nothing about a container that it is starting, for half a second (measured).
      if (!request.done) continue;
      endpoint.down_until_ns = monotonic_ns() + kBackOffNs;
      continue;
    }
    answered = true;
    if (!*answer) {
      ++counters_.unknown;
      continue;
    }
    ++counters_.found;
    auto details = std::make_shared<const ContainerDetails>(std::move(**answer));
    keep(request.id, details);
    return details;
  }
  return nullptr;
}

std::shared_ptr<const ContainerDetails> ContainerLookup::ask(const Request& request) {
  bool answered = false;
  std::shared_ptr<const ContainerDetails> details;
  if (request.kind == RuntimeKind::kDocker)
    details = ask(docker_endpoints_, settings_.docker_endpoints, request, answered);
  if (!details) details = ask(endpoints_, settings_.endpoints, request, answered);
  const std::lock_guard lock(mutex_);
  if (!details && answered) remember_unknown(request.id);
  if (!answered && request.done) down_until_ns(request.kind) = monotonic_ns() + kBackOffNs;
  return details;
}

std::shared_ptr<const ContainerDetails> ContainerLookup::cached(const std::string& id) {
  const auto found = index_.find(id);
  if (found == index_.end()) return nullptr;
  cache_.splice(cache_.begin(), cache_, found->second);
  return found->second->second;
}

void ContainerLookup::keep(const std::string& id, std::shared_ptr<const ContainerDetails> details) {
  cache_.emplace_front(id, std::move(details));
  index_[id] = cache_.begin();
  if (cache_.size() <= kMaxCached) return;
  index_.erase(cache_.back().first);
  cache_.pop_back();
}

}  // namespace cryptnono::runtime
