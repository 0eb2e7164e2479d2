#include "kernel/skeleton.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <sstream>
#include <string>

namespace cryptnono::kernel {

namespace {

void (*libbpf_sink)(std::string_view) = nullptr;

int forward(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG || libbpf_sink == nullptr) return 0;
  std::array<char, 1024> line{};
  const int length = std::vsnprintf(line.data(), line.size(), format, arguments);
  if (length > 0) {
    libbpf_sink({line.data(), std::min(static_cast<std::size_t>(length), line.size() - 1)});
  }
  return length;
}

}  // namespace

Result<void> leave_out_missing(bpf_object_skeleton& parts) {
  const std::unique_ptr<bpf_object, decltype(&bpf_object__close)> object(
      bpf_object__open_mem(parts.data, parts.data_sz, nullptr), bpf_object__close);
  if (object == nullptr) return fail_errno("cannot open the BPF object", errno);
  const std::span programs(parts.progs, static_cast<std::size_t>(parts.prog_cnt));
  const auto end =
      std::remove_if(programs.begin(), programs.end(), [&](const bpf_prog_skeleton& program) {
        if (bpf_object__find_program_by_name(object.get(), program.name) != nullptr) return false;
        *program.prog = nullptr;
        return true;
      });
  parts.prog_cnt = static_cast<int>(end - programs.begin());
  return {};
}

VerifierLog::VerifierLog(bpf_object* object) : text_(256 << 10) {
  constexpr std::uint32_t kStatistics = 4;  // BPF_LOG_STATS: errors and a summary
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    bpf_program__set_log_buf(program, text_.data(), text_.size());
    bpf_program__set_log_level(program, kStatistics);
  }
}

std::string VerifierLog::last_words() const {
  std::string last;
  std::istringstream lines(text_.data());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("verification time") || line.starts_with("processed")) break;
    if (!line.empty()) last = line;
  }
  return last.empty() ? last : " (" + last + ')';
}

void set_libbpf_sink(void (*sink)(std::string_view line)) {
  libbpf_sink = sink;
  libbpf_set_print(forward);
}

}  // namespace cryptnono::kernel
