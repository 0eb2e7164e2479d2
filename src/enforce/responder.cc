#include "enforce/responder.h"

#include <utility>

#include "enforce/container_killer.h"
#include "enforce/tree_killer.h"

namespace cryptnono::enforce {

namespace {

Responder::Killers real_killers(const Protection& protection) {
  return {
      .tree = [protection](
                  const std::vector<ProcessId>& roots) { return kill_tree(roots, protection); },
      .container =
          [protection](const std::string& cgroup) { return kill_container(cgroup, protection); }};
}

bool wants_container(const Incident& incident) {
  return incident.action == config::Action::kKillContainer && !incident.container_cgroup.empty();
}

}  // namespace

Responder::Responder(const Protection& protection)
    : Responder(real_killers(protection), kCapacity) {}

Responder::Responder(Killers killers, std::size_t capacity)
    : killers_(std::move(killers)),
      capacity_(capacity),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Responder::~Responder() {
  thread_.request_stop();
  thread_.join();
  for (const Incident& incident : waiting_) drop(incident, "the daemon stops");
}

void Responder::drop(const Incident& incident, const char* why) {
  ++dropped_;
  if (incident.done)
    incident.done({.action = incident.action, .killed = 0, .complete = false, .failed_why = why});
}

void Responder::respond(Incident incident) {
  if (incident.action < config::Action::kKillTree) {
    if (incident.done)
      incident.done({.action = incident.action, .killed = 0, .complete = true, .failed_why = {}});
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() < capacity_) {
      waiting_.push_back(std::move(incident));
      wake_.notify_one();
      return;
    }
  }
  drop(incident, "too many incidents wait");
}

// The first that waits, and with it all that its kill answers. With mutex_ held.
std::vector<Incident> Responder::take_next() {
  std::vector<Incident> out;
  out.push_back(std::move(waiting_.front()));
  waiting_.pop_front();
  if (!wants_container(out.front())) return out;
  std::erase_if(waiting_, [&](Incident& each) {
    const bool same =
        wants_container(each) && each.container_cgroup == out.front().container_cgroup;
    if (same) out.push_back(std::move(each));
    return same;
  });
  return out;
}

Response Responder::kill(const std::vector<Incident>& incidents) {
  std::string refused;
  std::uint32_t killed = 0;
  if (wants_container(incidents.front())) {
    KillResult result = killers_.container(incidents.front().container_cgroup);
    if (result.complete)
      return {.action = config::Action::kKillContainer,
              .killed = result.killed,
              .complete = true,
              .failed_why = {}};
    refused = std::move(result.failed_why);
    killed = result.killed;
  } else if (incidents.front().action == config::Action::kKillContainer) {
    refused = "it is in no container";
  }
  std::vector<ProcessId> roots;
  for (const Incident& each : incidents)
    roots.insert(roots.end(), each.tree_roots.begin(), each.tree_roots.end());
  KillResult result = killers_.tree(roots);
  if (!refused.empty() && !result.failed_why.empty()) refused += "; ";
  return {.action = config::Action::kKillTree,
          .killed = killed + result.killed,
          .complete = result.complete,
          .failed_why = refused + result.failed_why};
}

void Responder::answer(const std::vector<Incident>& incidents) {
  const Response response = kill(incidents);
  responses_[static_cast<std::size_t>(response.action)] += incidents.size();
  killed_ += response.killed;
  if (!response.complete) failures_ += incidents.size();
  for (const Incident& each : incidents) {
    if (each.done) each.done(response);
  }
}

void Responder::run(const std::stop_token& stop) {
  for (;;) {
    std::vector<Incident> incidents;
    {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, stop, [this] { return !waiting_.empty(); }) || stop.stop_requested())
        return;
      incidents = take_next();
    }
    answer(incidents);
  }
}

Responder::Counters Responder::counters() const {
  Counters out;
  for (std::size_t i = 0; i < responses_.size(); ++i) out.responses[i] = responses_[i];
  out.killed = killed_;
  out.failures = failures_;
  out.dropped = dropped_;
  return out;
}

}  // namespace cryptnono::enforce
