// What execwhacker says about one process. Detectors say; the app hands it to enforcement, the log
// and the metrics.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "detect/exec/exec_rules.h"
#include "detect/subject.h"

namespace cryptnono::detect {

// How the process was found; the values of the label and log field `source`, which the
// predecessor's users rely on.
enum class Source : std::uint8_t {
  kExec,  // "execwhacker.bpf"
  kScan   // "psutil.process_iter"
};

struct Finding : Subject {
  enum class Kind : std::uint8_t {
    kKilledInKernel,    // done
    kReportedInKernel,  // the mode or the limit kept the kernel from killing
    kBanned,            // to be acted on now
    kSpared,            // banned, but allowed
    kProtected          // banned, but `spared`
  };
  Kind kind = Kind::kBanned;
  Source source = Source::kExec;
  bool limited = false;  // kReportedInKernel: because of the blast-radius limit

  bool refused = false;  // kKilledInKernel: execve failed, the new image was never there

  std::uint64_t exec_ns = 0;    // CLOCK_MONOTONIC at the exec; 0: not known
  std::uint64_t signal_ns = 0;  // kKilledInKernel: when
  std::string filename;         // as given to execve; "" from a scan

  std::shared_ptr<const ExecRules> rules;  // that judged; null if their generation is gone
  Judgement judgement;
  // kBanned: asks whether the reason still stands, of the process as it is now. Empty: no need.
  std::function<bool()> still_holds;
};

// Called from the detector's threads, several at once. Returns false if a later scan should come
// back to this process (the limit was used up, say).
using FindingSink = std::function<bool(const Finding&)>;

}  // namespace cryptnono::detect
