// EventLog: the lines about processes, each with the container that the process was in.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/json_line.h"
#include "base/line_writer.h"
#include "runtime/container_lookup.h"

namespace cryptnono::app {

// Any thread. Never waits: a line whose container must be asked for is written when the answer
// comes, and without it if none comes.
class EventLog {
 public:
  // How a line tells of the container. kNested is the predecessor's form for connects.
  enum class Form : std::uint8_t { kFlat, kNested };

  // `cgroup_path` names a cgroup by its id. `log` must outlive the object.
  EventLog(LineWriter& log, std::function<std::string(std::uint64_t)> cgroup_path)
      : log_(log), cgroup_path_(std::move(cgroup_path)) {}

  // From here on asks the runtimes so. What is remembered is kept if nothing has changed.
  void use(const runtime::LookupSettings& settings);
  // Ends what is asked; further lines go without.
  void stop();
  // Hands each line to `receive` too, as a JSON object without the newline; nullptr: no more. It is
  // called on any thread, not on two at once, and must not wait.
  using Receive = std::function<void(std::string_view action, const std::string& line)>;
  void send_to(Receive receive);
  // Asks ahead for the container of this cgroup.
  void prefetch(std::string_view cgroup_path);

  void write(JsonLine line, std::string_view event, std::string_view level, std::uint64_t cgroup_id,
             Form form = Form::kFlat);

  [[nodiscard]] runtime::ContainerLookup::Counters counters() const;

 private:
  void hand_out(std::string_view action, std::string line);

  LineWriter& log_;
  std::function<std::string(std::uint64_t)> cgroup_path_;
  mutable std::mutex mutex_;
  // Both guarded by mutex_.
  runtime::LookupSettings settings_;
  std::shared_ptr<runtime::ContainerLookup> lookup_;
  std::mutex receive_mutex_;
  Receive receive_;  // guarded by receive_mutex_
};

}  // namespace cryptnono::app
