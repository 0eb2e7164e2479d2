// bpf/lib/match.h for user space: match_page over tables in memory. Included by match/*.cc only.
#pragma once

#include <cstddef>

#include "bpf/api/match.h"

struct match_view;
static inline void* match_page(const match_view* view, __u32 index);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#include "bpf/lib/match.h"
#pragma GCC diagnostic pop

static inline void* match_page(const match_view* view, __u32 index) {
  return static_cast<std::byte*>(view->tables) + std::size_t{index} * MATCH_PAGE;
}
