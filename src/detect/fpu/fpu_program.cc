#include "detect/fpu/fpu_program.h"

#include <bpf/bpf.h>
#include <fpu_sample.skel.h>
#include <fpu_sample_plain.skel.h>

#include <algorithm>
#include <array>

#include "kernel/scope_writer.h"
#include "kernel/skeleton.h"

namespace cryptnono::detect {

struct FpuProgram::State {
  explicit State(kernel::Skeleton<fpu_sample_bpf> opened) : skeleton(std::move(opened)) {}

  kernel::Skeleton<fpu_sample_bpf> skeleton;
  kernel::Loops loops = kernel::Loops::kCallbacks;
  int cpus = 1;
  std::array<Target, FPU_MAX_TARGETS> targets{};
};

FpuProgram::FpuProgram(std::unique_ptr<State> state) : state_(std::move(state)) {}
FpuProgram::~FpuProgram() = default;

Result<std::unique_ptr<FpuProgram>> FpuProgram::load() {
  return kernel::first_accepted([](kernel::Loops loops) { return load(loops); });
}

Result<std::unique_ptr<FpuProgram>> FpuProgram::load(kernel::Loops loops) {
  auto state = std::make_unique<State>(
      TRY(kernel::Skeleton<fpu_sample_bpf>::open<fpu_sample_plain_bpf>(loops)));
  state->loops = loops;
  state->cpus = std::clamp(libbpf_num_possible_cpus(), 1, FPU_MAX_CPUS);
  if (Result<void> loaded = state->skeleton.load(); !loaded) {
    Error error = with_context("monero", std::move(loaded).error());
    if (error.code != ExitCode::kNotPermitted) error.code = ExitCode::kUnsupported;
    return tl::unexpected(std::move(error));
  }
  return std::unique_ptr<FpuProgram>(new FpuProgram(std::move(state)));
}

Result<void> FpuProgram::attach() { return state_->skeleton.attach(); }
void FpuProgram::detach() { state_->skeleton.detach(); }

void FpuProgram::set_scope(const std::vector<scope_entry>& include,
                           const std::vector<scope_entry>& exclude) {
  kernel::write_scope(state_->skeleton->bss->settings, include, exclude);
}

void FpuProgram::set_canary_cgroup(std::uint64_t cgroup_id) {
  state_->skeleton->bss->settings.canary_cgroup = cgroup_id;
}

std::optional<fpu_thread> FpuProgram::thread(pid_t tid) const {
  fpu_thread found = {};
  if (bpf_map__lookup_elem(state_->skeleton->maps.threads, &tid, sizeof tid, &found, sizeof found,
                           0) != 0) {
    return std::nullopt;
  }
  return found;
}

void FpuProgram::forget(pid_t tid) {
  bpf_map__delete_elem(state_->skeleton->maps.threads, &tid, sizeof tid, 0);
}

bool FpuProgram::set_active(pid_t tid, bool active) {
  bpf_map* map = state_->skeleton->maps.active;
  const std::uint8_t yes = 1;
  if (active) return bpf_map__update_elem(map, &tid, sizeof tid, &yes, sizeof yes, BPF_ANY) == 0;
  bpf_map__delete_elem(map, &tid, sizeof tid, 0);
  return true;
}

std::span<const FpuProgram::Target> FpuProgram::find_targets(bool heartbeat) {
  std::array<std::uint64_t, 2> arguments{};
  arguments[TARGETS_ARG_CPUS] = static_cast<std::uint64_t>(state_->cpus);
  arguments[TARGETS_ARG_HEARTBEAT] = heartbeat ? 1 : 0;
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = arguments.data(),
              .ctx_size_in = static_cast<std::uint32_t>(sizeof arguments));
  if (bpf_prog_test_run_opts(bpf_program__fd(state_->skeleton->progs.find_targets), &options) != 0)
    return {};
  const fpu_targets& found = state_->skeleton->bss->targets;
  const std::size_t count = std::min<std::size_t>(found.count, FPU_MAX_TARGETS);
  for (std::size_t i = 0; i < count; ++i)
    state_->targets[i] = {.cpu = found.cpu[i], .tid = found.tid[i]};
  return {state_->targets.data(), count};
}

kernel::Loops FpuProgram::loops() const { return state_->loops; }

std::uint64_t FpuProgram::samples() const {
  return __atomic_load_n(&state_->skeleton->bss->stats.samples, __ATOMIC_RELAXED);
}

FpuProgram::Stats FpuProgram::stats() const {
  return {.kernel = state_->skeleton->bss->stats, .recursion_misses = runs().recursion_misses};
}

kernel::ProgramRuns FpuProgram::runs() const {
  return kernel::runs_of(state_->skeleton->progs.fpu_sample);
}

Result<kernel::RingBuffer> FpuProgram::events(kernel::RingBuffer::Handler handler) {
  return kernel::RingBuffer::create(bpf_map__fd(state_->skeleton->maps.events), std::move(handler));
}

}  // namespace cryptnono::detect
