// The record of one event, the same for every detector (docs/events.md): who it was, which rule,
// how sure, and when. Where it was is EventLog's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "app/redactor.h"
#include "base/json_line.h"
#include "detect/subject.h"

namespace cryptnono::app {

struct EventRecord {
  std::string_view detector;
  std::string rule;             // its id
  std::string evidence;         // a JSON object: how sure
  std::uint64_t event_ns = 0;   // CLOCK_MONOTONIC of the exec or connect; 0: not known
  std::uint64_t signal_ns = 0;  // of the signal; 0: none was sent
};

// This node, as the cluster names it, else as it names itself.
const std::string& node_name();

// What the process wrote goes through `redactor`.
void add_record(JsonLine& line, const detect::Subject& who, const EventRecord& record,
                Redactor& redactor);

}  // namespace cryptnono::app
