// VerifierReport: what the kernel's verifier said of each program, for every object that is loaded
// while the report lives.
//
// Made of the statistics that the verifier writes into a program's log (log level 4, which every
// kernel since 5.2 has; bpf_prog_info knows a part of them, and since 5.16 only). Not thread-safe:
// one report at a time, and objects are loaded by the thread that made it.
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace cryptnono::kernel {

struct ProgramFigures {
  std::string object;
  std::string program;
  // Of this object, from 1 on: a detector that is refused its best program tries a lesser one.
  unsigned attempt = 0;
  bool loaded = false;
  std::string refusal;             // what the verifier said last; empty if it was loaded
  std::uint64_t instructions = 0;  // looked at, over all paths; the kernel's bound is 1,000,000
  std::uint64_t states = 0;
  std::uint64_t peak_states = 0;
  std::string stack;  // bytes of each frame, as "32+16"
  std::uint64_t verification_us = 0;
  std::uint64_t translated_bytes = 0;
  std::uint64_t jited_bytes = 0;  // 0: no JIT, or it may not be seen
};

class VerifierReport {
 public:
  VerifierReport();
  ~VerifierReport();
  VerifierReport(const VerifierReport&) = delete;
  VerifierReport& operator=(const VerifierReport&) = delete;

  // In the order in which they were loaded, those that were refused too.
  [[nodiscard]] const std::vector<ProgramFigures>& figures() const { return figures_; }

 private:
  friend class LoadRecording;
  std::vector<ProgramFigures> figures_;
};

// Around the load of one opened object; does nothing where no report lives. Skeleton::load has it.
class LoadRecording {
 public:
  explicit LoadRecording(bpf_object* object);
  ~LoadRecording();
  LoadRecording(const LoadRecording&) = delete;
  LoadRecording& operator=(const LoadRecording&) = delete;

 private:
  bpf_object* object_;
  std::vector<std::vector<char>> logs_;  // one for each program of the object
};

// Loads an object file, and unloads it again. Errors: kUnsupported, kNotPermitted, or kFailure if
// it is none.
Result<void> try_object_file(const std::string& path);

// What the verifier's log says at its end. Exposed for tests; `log` is a whole log of level 4.
void read_verifier_log(std::string_view log, ProgramFigures& figures);

}  // namespace cryptnono::kernel
