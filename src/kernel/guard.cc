#include "kernel/guard.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <guard.skel.h>
#include <guard_plain.skel.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "container/standing_book.h"
#include "kernel/lsm.h"
#include "kernel/skeleton.h"

namespace cryptnono::kernel {

namespace {

using GuardSkeleton = Skeleton<guard_bpf>;
constexpr std::string_view kOwner = "guard_owner";

Enforcement::Parts parts_of(GuardSkeleton& skeleton) {
  return {.settings = skeleton->bss == nullptr ? nullptr : &skeleton->bss->settings,
          .protected_pids = nullptr,
          .units = skeleton->maps.units,
          .protected_users = nullptr,
          .protected_files = nullptr,
          .limit_rings = nullptr,
          .limit_admit = nullptr,
          .about = skeleton->maps.about};
}

std::span<bpf_prog_skeleton> programs_of(GuardSkeleton& skeleton) {
  return {skeleton->skeleton->progs, static_cast<std::size_t>(skeleton->skeleton->prog_cnt)};
}

using Missing = std::map<std::string, std::string>;  // program -> why

// With all programs but those of `without`; or with `only` and what every object needs.
Result<GuardSkeleton> load_some(const SharedMaps& shared, Loops loops, const Missing& without,
                                std::string_view only = {}) {
  auto skeleton = TRY(GuardSkeleton::open<guard_plain_bpf>(loops));
  TRY(share_maps(parts_of(skeleton), shared));
  for (const bpf_prog_skeleton& each : programs_of(skeleton)) {
    const bool wanted = only.empty() ? !without.contains(each.name) : only == each.name;
    bpf_program__set_autoload(*each.prog, wanted || each.name == kOwner);
  }
  TRY(skeleton.load());
  return skeleton;
}

struct Loaded {
  GuardSkeleton skeleton;
  Missing missing;
};

// As many programs as this kernel takes in this form: each is tried by itself.
Result<Loaded> load_most(const SharedMaps& shared, Loops loops) {
  Missing missing;
  auto opened = TRY(GuardSkeleton::open<guard_plain_bpf>(loops));
  for (const bpf_prog_skeleton& each : programs_of(opened)) {
    if (each.name == kOwner) continue;
    if (const auto alone = load_some(shared, loops, {}, each.name); !alone)
      missing.emplace(each.name, alone.error().message);
  }
  return Loaded{TRY(load_some(shared, loops, missing)), missing};
}

Result<Loaded> load_best(const SharedMaps& shared) {
  for (const Loops loops : {Loops::kCallbacks, Loops::kPlain}) {
    if (auto all = load_some(shared, loops, {})) return Loaded{*std::move(all), {}};
  }
  // Not the first that is accepted (kernel/loops.h): some of the programs have no loops.
  auto best = load_most(shared, Loops::kCallbacks);
  auto plain = load_most(shared, Loops::kPlain);
  if (!best || (plain && plain->missing.size() < best->missing.size())) best = std::move(plain);
  return best;
}

// Of the first line like "map_id:	17".
std::optional<guard_object> object_behind(const std::filesystem::path& fdinfo) {
  std::ifstream file(fdinfo);
  for (std::string line; std::getline(file, line);) {
    for (const auto& [name, kind] : {std::pair<std::string_view, guard_kind>{"map_id:", GUARD_MAP},
                                     {"prog_id:", GUARD_PROGRAM},
                                     {"link_id:", GUARD_LINK}}) {
      const std::size_t digit = line.find_first_of("0123456789");
      if (!line.starts_with(name) || digit == std::string::npos) continue;
      guard_object out{.kind = kind, .id = 0};
      std::from_chars(line.data() + digit, line.data() + line.size(), out.id);
      return out;
    }
  }
  return std::nullopt;
}

}  // namespace

struct Guard::State {
  explicit State(Loaded loaded)
      : skeleton(std::move(loaded.skeleton)),
        enforcement(parts_of(skeleton)),
        missing(std::move(loaded.missing)) {}

  GuardSkeleton skeleton;
  Enforcement enforcement;
  Missing missing;
};

Guard::Guard(std::unique_ptr<State> state) : state_(std::move(state)) {}
Guard::~Guard() = default;

Result<std::unique_ptr<Guard>> Guard::load(const SharedMaps& shared) {
  TRY(try_lsm());
  auto state = std::make_unique<State>(TRY(load_best(shared)));
  LIBBPF_OPTS(bpf_test_run_opts, options);
  if (const int error =
          bpf_prog_test_run_opts(bpf_program__fd(state->skeleton->progs.guard_owner), &options))
    return fail_errno("cannot tell the guard whom it guards", -error);
  return std::unique_ptr<Guard>(new Guard(std::move(state)));
}

const Enforcement& Guard::enforcement() const { return state_->enforcement; }

void Guard::set_containers_only(bool only) {
  state_->skeleton->bss->containers_only = only ? 1 : 0;
}

Result<void> Guard::attach() {
  bool any = false;
  for (const bpf_prog_skeleton& each : programs_of(state_->skeleton)) {
    if (each.name == kOwner || state_->missing.contains(each.name)) continue;
    *each.link = bpf_program__attach(*each.prog);
    if (*each.link == nullptr)
      state_->missing.emplace(each.name, fail_errno("cannot attach", errno).value().message);
    any = any || *each.link != nullptr;
  }
  if (any) return {};
  return fail("no hook could be had: " + missing());
}

std::string Guard::missing() const {
  std::string out;
  for (const auto& [program, why] : state_->missing)
    out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", program, why);
  return out;
}

Pinnable Guard::pinnable() {
  GuardSkeleton& skeleton = state_->skeleton;
  return {.name = "guard",
          .skeleton = skeleton->skeleton,
          .self = &skeleton->bss->self,
          .active = skeleton->maps.active,
          .about = skeleton->maps.about};
}

Result<void> Guard::guard_objects() {
  std::error_code error;
  std::filesystem::directory_iterator all("/proc/self/fdinfo", error);
  if (error) return fail("/proc/self/fdinfo: " + error.message());
  const std::uint8_t yes = 1;
  for (; all != std::filesystem::directory_iterator(); all.increment(error)) {
    const auto object = object_behind(all->path());
    if (!object) continue;
    if (const int failed = bpf_map__update_elem(state_->skeleton->maps.objects, &*object,
                                                sizeof *object, &yes, sizeof yes, BPF_ANY))
      return fail_errno("cannot guard an object", -failed);
  }
  return {};
}

void Guard::guard_directories(const std::vector<std::string>& paths) {
  for (std::size_t i = 0; i < GUARD_DIRECTORIES; ++i) {
    const auto id = i < paths.size() ? container::file_id_of(paths[i]) : std::nullopt;
    volatile file_key& slot = state_->skeleton->bss->directories[i];
    slot.inode = 0;  // while the device changes
    slot.device = id ? id->device : 0;
    slot.inode = id ? id->inode : 0;
  }
}

std::uint64_t Guard::refused(guard_target target) const {
  return __atomic_load_n(&state_->skeleton->bss->refused[target], __ATOMIC_RELAXED);
}

}  // namespace cryptnono::kernel
