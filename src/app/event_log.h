// EventLog: the lines about processes, each with the container that the process was in.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "app/event_record.h"
#include "app/pod_watch.h"
#include "app/recent_kills.h"
#include "app/redactor.h"
#include "base/json_line.h"
#include "base/line_writer.h"
#include "config/types.h"
#include "container/cgroup_parse.h"
#include "detect/subject.h"
#include "runtime/container_lookup.h"

namespace cryptnono::app {

// Any thread. Never waits: a line whose container must be asked for is written when the answer
// comes, and without it if none comes.
class EventLog {
 public:
  // How a line tells of the container. kNested is the predecessor's form for connects.
  enum class Form : std::uint8_t { kFlat, kNested };

  // Both must outlive the object.
  EventLog(LineWriter& log, const PodWatch& pods) : log_(log), pods_(pods) {}

  // From here on asks the runtimes so, and at the sockets that CONTAINER_RUNTIME_ENDPOINT and
  // DOCKER_HOST name where `containers` names none. What is remembered is kept if nothing has
  // changed.
  void use(const config::Containers& containers);
  // From here on lines do not tell what these rules ban, unless `reveal`.
  void use_rules(std::shared_ptr<const detect::ExecRules> rules, bool reveal);
  // For the texts of one event, which `judged_by` (may be null) judged.
  [[nodiscard]] Redactor redactor(
      std::shared_ptr<const detect::ExecRules> judged_by = nullptr) const;
  // The sockets and variables that `containers` and the environment come to.
  static runtime::LookupSettings settings_of(const config::Containers& containers);
  // Ends what is asked; further lines go without.
  void stop();
  // Hands each line to `receive` too, as a JSON object without the newline; nullptr: no more. It is
  // called on any thread, not on two at once, and must not wait.
  using Receive = std::function<void(std::string_view action, const std::string& line)>;
  void send_to(Receive receive);
  // Asks ahead for the container of this cgroup.
  void prefetch(std::string_view cgroup_path);

  struct Where {
    std::string cgroup;
    std::string directory;  // of the container's cgroup, below where it is mounted; "" in none
    container::CgroupIdentity identity;  // `through` is not set
    std::string pod_uid;
    std::string outer_container;  // of the pod, if the container is one of Docker's inside of it
  };
  [[nodiscard]] Where where(const detect::Subject& who) const;

  // What is remembered of a kill (or what would have been one), besides the line.
  struct Note {
    EventRecord record;
    std::string command_line;  // both as they may be shown
    std::string executable;
    std::optional<double> latency_us;
  };
  void write(JsonLine line, std::string_view event, std::string_view level,
             const detect::Subject& who, Form form = Form::kFlat,
             const std::optional<Note>& note = std::nullopt);
  // Remembers only: the log's level leaves the line out.
  void remember(std::string_view action, const detect::Subject& who, const Note& note);
  [[nodiscard]] RecentKills& kills() { return kills_; }

  [[nodiscard]] runtime::ContainerLookup::Counters counters() const;

 private:
  using Finish = std::function<void(const runtime::ContainerDetails*)>;
  // Calls `finish` once, now or later, with what a runtime says of the container, if any does.
  void ask(const Where& place, Finish finish);
  void remember(status::Kill kill, const std::optional<container::Pod>& pod,
                const runtime::ContainerDetails* details);
  void hand_out(std::string_view action, std::string line);

  LineWriter& log_;
  const PodWatch& pods_;
  RecentKills kills_;
  mutable std::mutex mutex_;
  // All guarded by mutex_.
  std::shared_ptr<const detect::ExecRules> rules_;
  bool reveal_ = false;
  runtime::LookupSettings settings_;
  std::shared_ptr<runtime::ContainerLookup> lookup_;
  runtime::ContainerLookup::Counters past_;  // of those before it
  std::mutex receive_mutex_;
  Receive receive_;  // guarded by receive_mutex_
};

}  // namespace cryptnono::app
