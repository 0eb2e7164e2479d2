#include "config/report_first.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <chrono>

namespace cryptnono::config {

namespace {

constexpr std::int64_t seconds_of(int hours, int minutes) {
  return (std::int64_t{hours} * 60 + minutes) * 60;
}

}  // namespace

std::optional<std::int64_t> parse_time(std::string_view text) {
  static const re2::RE2 date_pattern(R"((\d{4})-(\d{2})-(\d{2})(.*))");
  static const re2::RE2 time_pattern(R"([Tt ](\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(.*))");
  static const re2::RE2 zone_pattern(R"(([+-])(\d{2}):(\d{2}))");
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int zone_hour = 0;
  int zone_minute = 0;
  std::string rest;
  std::string zone;
  std::string sign;
  const re2::StringPiece whole(text.data(), text.size());
  if (!re2::RE2::FullMatch(whole, date_pattern, &year, &month, &day, &rest)) return std::nullopt;
  if (!rest.empty()) {
    if (!re2::RE2::FullMatch(rest, time_pattern, &hour, &minute, &second, &zone))
      return std::nullopt;
    if (zone != "Z" && zone != "z" &&
        !re2::RE2::FullMatch(zone, zone_pattern, &sign, &zone_hour, &zone_minute))
      return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  // A leap second (60) is the first one of the next minute.
  if (!date.ok() || hour > 23 || minute > 59 || second > 60 || zone_hour > 23 || zone_minute > 59)
    return std::nullopt;
  const std::int64_t ahead = seconds_of(zone_hour, zone_minute);
  const std::int64_t at =
      std::chrono::sys_seconds(std::chrono::sys_days(date)).time_since_epoch().count() +
      seconds_of(hour, minute) + second - (sign == "-" ? -ahead : ahead);
  if (at < 0) return std::nullopt;
  return at;
}

void read_report_first(Fields& fields, std::string_view name, Document::Value value,
                       std::optional<ReportFirst>& out) {
  ReportFirst read;
  bool good = true;
  const auto read_until = [&](std::string_view key, Document::Value item) {
    const auto text = fields.read_string(key, item);
    const auto at = text ? parse_time(*text) : std::nullopt;
    if (at) {
      read.until = *at;
      return;
    }
    good = false;
    if (text)
      fields.error(item.position(),
                   fmt::format("{} must be a date such as 2026-12-24 or a time such as "
                               "2026-12-24T18:00:00Z, not {}",
                               key, fields.describe(item)));
  };
  const auto read_days = [&](std::string_view key, Document::Value item) {
    fields.read_integer(key, item, 1, kMaxCleanDays, "", read.clean_days);
    good = good && read.clean_days != 0;
  };
  fields.read_mapping(name, value, {{"until", read_until}, {"cleanDays", read_days}});
  if (!good || value.kind() != Document::Kind::kMapping) return;
  if (read.until == 0 && read.clean_days == 0) {
    fields.error(value.position(), fmt::format("{} needs until or cleanDays", name));
    return;
  }
  out = read;
}

}  // namespace cryptnono::config
