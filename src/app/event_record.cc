#include "app/event_record.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/timestamp.h"

namespace cryptnono::app {

namespace {

std::string ancestors(const detect::Origin& origin, Redactor& redactor) {
  std::string out;
  for (const detect::Ancestor& each : origin.ancestors) {
    out += fmt::format(R"({}{{"pid": {}, "uid": {}, "comm": {}}})", out.empty() ? "" : ", ",
                       each.pid, each.uid, json_string(redactor.name(each.comm)));
  }
  return "[" + out + "]";
}

}  // namespace

const std::string& node_name() {
  static const std::string name = [] {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it
    if (const char* said = std::getenv("NODE_NAME"); said != nullptr && *said != 0)
      return std::string(said);
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    return std::string(host.data());
  }();
  return name;
}

void add_record(JsonLine& line, const detect::Subject& who, const EventRecord& record,
                Redactor& redactor) {
  const std::string path = redactor.text(who.path);
  line.add("detector", record.detector).add("rule", record.rule);
  if (!record.evidence.empty()) line.add_json("evidence", record.evidence);
  line.add("uid", std::uint64_t{who.uid})
      .add("ppid", who.ppid)
      .add("comm", redactor.name(who.comm))
      .add("exe", path)
      .add("started", timestamp_of_start(who.start_ticks))
      .add_json("ancestors", ancestors(who.origin, redactor))
      .add("node", node_name());
  if (who.unattended) line.add("unattended", true);
  if (record.event_ns != 0) line.add("event_time", timestamp(CLOCK_MONOTONIC, record.event_ns));
  if (record.signal_ns != 0) line.add("signal_time", timestamp(CLOCK_MONOTONIC, record.signal_ns));
}

}  // namespace cryptnono::app
