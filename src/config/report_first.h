// The key `reportFirst`: a group of rules that only reports for a while. For load.cc and groups.cc.
#pragma once

#include <optional>
#include <string_view>

#include "config/fields.h"
#include "config/types.h"

namespace cryptnono::config {

// Longest time that a group may be asked to be clean.
inline constexpr std::uint32_t kMaxCleanDays = 365;

// Reads the mapping {until: ..., cleanDays: ...}, of which at least one must be there. `until` is a
// date, whose beginning in UTC counts, or a time as RFC 3339 writes it, from 1970 on.
void read_report_first(Fields& fields, std::string_view name, Document::Value value,
                       std::optional<ReportFirst>& out);

// A warning where such a group's own action is `report`.
inline constexpr std::string_view kReportFirstHasNoEffect =
    "reportFirst has no effect: the action is report";

// The Unix time of such a date or time; nothing if it is none, or no day of the calendar.
[[nodiscard]] std::optional<std::int64_t> parse_time(std::string_view text);

}  // namespace cryptnono::config
