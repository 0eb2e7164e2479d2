#include "detect/exec/exec_record.h"

#include <cstring>

#include "proc/proc_reader.h"

namespace cryptnono::detect {

std::optional<ExecRecord> parse_exec_record(std::span<const std::byte> record) {
  ExecRecord out{};
  if (record.size() < sizeof out.event) return std::nullopt;
  std::memcpy(&out.event, record.data(), sizeof out.event);
  std::string_view payload(reinterpret_cast<const char*>(record.data()) + sizeof out.event,
                           record.size() - sizeof out.event);
  const auto take = [&payload](std::size_t size) {
    const std::string_view part = payload.substr(0, size);
    payload.remove_prefix(part.size());
    return part;
  };
  const exec_event& event = out.event;
  if (std::size_t{event.filename_bytes} + event.path_bytes + event.argv_captured > payload.size()) {
    return std::nullopt;
  }
  out.filename = take(event.filename_bytes);
  out.path = take(event.path_bytes);
  out.argv = take(event.argv_captured);
  return out;
}

Finding finding_of(const ExecRecord& record, std::shared_ptr<const ExecRules> rules) {
  const exec_event& event = record.event;
  Finding finding;
  finding.source = Source::kExec;
  read_origin(event.origin, finding);
  finding.unit = event.unit;
  finding.exec_ns = event.time_ns;
  if (event.verdict == EXEC_KILLED) finding.signal_ns = event.time_ns + event.signal_after_ns;
  finding.refused = (event.flags & EXEC_REFUSED) != 0;
  finding.filename = record.filename;
  finding.path = record.path;
  finding.argv = record.argv;
  finding.argv_bytes = event.argv_bytes;
  finding.judgement.groups = event.groups;
  finding.judgement.rule = event.rule;
  finding.spared = static_cast<container::Spared>(event.spared_why);
  finding.rules = std::move(rules);
  return finding;
}

void decide(const ExecRecord& record, Finding& finding) {
  const bool unreadable = (record.event.flags & EXEC_UNREADABLE) != 0;
  if (unreadable || record.event.argv_captured < record.event.argv_bytes) {
    std::string now;
    if (proc::ProcReader().read_cmdline(finding.pid, now) && now.size() > finding.argv.size()) {
      finding.argv += now.substr(finding.argv.size());
    }
  }
  const ExecLine line{
      .text = {.path = finding.path, .filename = finding.filename, .argv = finding.argv},
      .path_trusted = (record.event.flags & EXEC_PATH_TRUSTED) != 0};
  if ((record.event.flags & EXEC_SIGNAL_FAILED) != 0) {
    finding.judgement.verdict = Judgement::Verdict::kBanned;  // judged already
  } else if (unreadable) {
    finding.judgement = finding.rules->judge(line);
  } else {
    finding.judgement = finding.rules->judge_hit(line, record.event.groups, record.event.rule);
  }
}

}  // namespace cryptnono::detect
