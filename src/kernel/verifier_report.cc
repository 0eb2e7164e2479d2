#include "kernel/verifier_report.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string_view>

namespace cryptnono::kernel {

namespace {

constexpr std::uint32_t kLogStatistics = 4;  // BPF_LOG_STATS, kernel/bpf/verifier.c
constexpr std::size_t kLogBytes = std::size_t{64} * 1024;
// What libbpf puts where a field or a type of the program is not in this kernel.
constexpr std::string_view kNoSuchField = "invalid func unknown#195896080";

VerifierReport* current_report = nullptr;

// The number behind `name`; 0 if there is none.
std::uint64_t number_behind(std::string_view line, std::string_view name) {
  const std::size_t at = line.find(name);
  std::uint64_t value = 0;
  if (at == std::string_view::npos) return 0;
  line.remove_prefix(at + name.size());
  std::from_chars(line.data(), line.data() + line.size(), value);
  return value;
}

// The name of the source. A skeleton is called the same with "_bpf", of which libbpf keeps 15
// bytes.
std::string skeleton_name(const bpf_object* object) {
  std::string_view name = bpf_object__name(object);
  for (const std::string_view suffix : {"_bpf", "_bp", "_b"}) {
    if (!name.ends_with(suffix)) continue;
    name.remove_suffix(suffix.size());
    break;
  }
  return std::string(name);
}

void add_sizes(int fd, ProgramFigures& figures) {
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return;
  figures.translated_bytes = info.xlated_prog_len;
  figures.jited_bytes = info.jited_prog_len;
}

}  // namespace

void read_verifier_log(std::string_view log, ProgramFigures& figures) {
  while (!log.empty()) {
    const std::size_t end = std::min(log.find('\n'), log.size());
    const std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    if (line.starts_with("processed ")) {
      figures.instructions = number_behind(line, "processed ");
      figures.states = number_behind(line, "total_states ");
      figures.peak_states = number_behind(line, "peak_states ");
    } else if (line.starts_with("verification time ")) {
      figures.verification_us = number_behind(line, "verification time ");
    } else if (line.starts_with("stack depth ")) {
      figures.stack = line.substr(std::string_view("stack depth ").size());
    } else if (!line.empty()) {
      figures.refusal = line;
    }
  }
  if (figures.refusal == kNoSuchField)
    figures.refusal = "a field or a type that this kernel does not have (CO-RE relocation)";
}

VerifierReport::VerifierReport() { current_report = this; }
VerifierReport::~VerifierReport() { current_report = nullptr; }

LoadRecording::LoadRecording(bpf_object* object)
    : object_(current_report == nullptr ? nullptr : object) {
  if (object_ == nullptr) return;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_) {
    std::vector<char>& log = logs_.emplace_back(kLogBytes);
    bpf_program__set_log_level(program, kLogStatistics);
    bpf_program__set_log_buf(program, log.data(), log.size());
  }
}

LoadRecording::~LoadRecording() {
  if (object_ == nullptr) return;
  const std::string object = skeleton_name(object_);
  std::vector<ProgramFigures>& all = current_report->figures_;
  unsigned attempt = 1;
  for (const ProgramFigures& each : all) {
    if (each.object == object) attempt = std::max(attempt, each.attempt + 1);
  }
  std::size_t i = 0;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_) {
    const std::string_view log(logs_[i++].data());
    const int fd = bpf_program__fd(program);
    ProgramFigures figures;
    figures.object = object;
    figures.program = bpf_program__name(program);
    figures.attempt = attempt;
    figures.loaded = fd >= 0;
    read_verifier_log(log, figures);
    // Its turn never came, or it was unloaded because another was refused.
    if (fd < 0 && figures.refusal.empty()) continue;
    if (fd >= 0) {
      figures.refusal.clear();
      add_sizes(fd, figures);
    }
    all.push_back(std::move(figures));
  }
}

Result<void> try_object_file(const std::string& path) {
  struct Close {
    void operator()(bpf_object* object) const { bpf_object__close(object); }
  };
  const std::unique_ptr<bpf_object, Close> object(bpf_object__open(path.c_str()));
  if (object == nullptr) return fail_errno(path, errno);
  const LoadRecording recording(object.get());
  if (const int error = bpf_object__load(object.get()); error != 0) {
    Error said = fail_errno(path + ": cannot load it", -error).value();
    if (said.code != ExitCode::kNotPermitted) said.code = ExitCode::kUnsupported;
    return tl::unexpected(std::move(said));
  }
  return {};
}

}  // namespace cryptnono::kernel
