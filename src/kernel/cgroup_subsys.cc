#include "kernel/cgroup_subsys.h"

#include <bpf/btf.h>

#include <cerrno>
#include <memory>
#include <string>

namespace cryptnono::kernel {

namespace {

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};

}  // namespace

Result<std::uint32_t> v1_hierarchy(std::string_view controllers) {
  const std::unique_ptr<btf, FreeBtf> types(btf__load_vmlinux_btf());
  if (!types) return fail_errno("cannot read the kernel's BTF", errno);
  const int id = btf__find_by_name_kind(types.get(), "cgroup_subsys_id", BTF_KIND_ENUM);
  if (id < 0) return fail("the kernel has no cgroup controllers", ExitCode::kUnsupported);
  const btf_type* type = btf__type_by_id(types.get(), static_cast<std::uint32_t>(id));
  const struct btf_enum* values = btf_enum(type);
  for (std::string_view rest = controllers; !rest.empty();) {
    const std::string_view controller = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), controller.size() + 1));
    const std::string wanted = std::string(controller) + "_cgrp_id";
    for (int i = 0; i < btf_vlen(type); ++i) {
      if (wanted == btf__name_by_offset(types.get(), values[i].name_off)) {
        return static_cast<std::uint32_t>(values[i].val) + 1;
      }
    }
  }
  return fail(
      "scope: the cgroup v1 hierarchy '" + std::string(controllers) +
          "' has no controller that the kernel side can follow; use the one of pids or memory",
      ExitCode::kUnsupported);
}

}  // namespace cryptnono::kernel
