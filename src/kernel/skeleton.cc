#include "kernel/skeleton.h"

#include <array>
#include <cstdarg>
#include <cstdio>

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

void set_libbpf_sink(void (*sink)(std::string_view line)) {
  libbpf_sink = sink;
  libbpf_set_print(forward);
}

}  // namespace cryptnono::kernel
