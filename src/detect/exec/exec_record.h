// Records of the kernel side, taken apart and judged. Pure but for what decide() must read from
// /proc.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "bpf/api/exec.h"
#include "detect/exec/finding.h"

namespace cryptnono::detect {

// A record of api/exec.h. The views point into the record.
struct ExecRecord {
  exec_event event;
  std::string_view filename;
  std::string_view path;
  std::string_view argv;
};

// Nothing if the sizes do not add up.
std::optional<ExecRecord> parse_exec_record(std::span<const std::byte> record);

// The process and its command line; kind and verdict are the caller's.
Finding finding_of(const ExecRecord& record, std::shared_ptr<const ExecRules> rules);

// Judges what the kernel left to user space, into finding.judgement. What the record holds was
// captured before the process ran, so it cannot have been rewritten; only what is longer than the
// record, or could not be read, is taken from /proc.
void decide(const ExecRecord& record, Finding& finding);

}  // namespace cryptnono::detect
