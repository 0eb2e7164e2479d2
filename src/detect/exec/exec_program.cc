#include "detect/exec/exec_program.h"

#include <exec_match.skel.h>
#include <exec_match_plain.skel.h>

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "kernel/counters.h"
#include "kernel/lsm.h"
#include "kernel/skeleton.h"

namespace cryptnono::detect {

namespace {

// Besides one for each CPU: for tasks that were preempted in the hook that refuses.
constexpr std::uint32_t kSpareScratches = 8;

// Where page_walk.bpf.h begins, if banned execs can be refused here.
Result<std::uint64_t> try_refusal(kernel::Loops loops) {
  if (loops == kernel::Loops::kPlain) return fail("its program needs bpf_loop (Linux 5.17)");
  TRY(kernel::try_lsm());
  return kernel::page_offset_base_address();
}

}  // namespace

struct ExecProgram::State {
  explicit State(kernel::Skeleton<exec_match_bpf> opened) : skeleton(std::move(opened)) {}

  kernel::Skeleton<exec_match_bpf> skeleton;
  kernel::Loops loops = kernel::Loops::kCallbacks;
  int cpus = 1;
  std::optional<kernel::Enforcement> enforcement;
  std::string why_not_refused;
  std::atomic<bool> refuses = false;  // attached
};

ExecProgram::ExecProgram(std::unique_ptr<State> state) : state_(std::move(state)) {}
ExecProgram::~ExecProgram() = default;

Result<std::unique_ptr<ExecProgram>> ExecProgram::load() {
  return kernel::first_accepted([](kernel::Loops loops) { return load(loops); });
}

Result<std::unique_ptr<ExecProgram>> ExecProgram::load(kernel::Loops loops) {
  const auto attempt = [loops](std::uint64_t page_offset_base) -> Result<std::unique_ptr<State>> {
    auto state = std::make_unique<State>(
        TRY(kernel::Skeleton<exec_match_bpf>::open<exec_match_plain_bpf>(loops)));
    state->loops = loops;
    auto& skeleton = state->skeleton;
    state->cpus = libbpf_num_possible_cpus();
    if (state->cpus <= 0) return fail_errno("cannot count the CPUs", -state->cpus);
    const auto cpus = static_cast<std::uint32_t>(state->cpus);
    const bool refuses = page_offset_base != 0;
    if (const int error = bpf_map__set_max_entries(skeleton->maps.scratches,
                                                   refuses ? 2 * cpus + kSpareScratches : cpus))
      return fail_errno("cannot size the scratch map", -error);
    skeleton->rodata->walk_scratches_begin = cpus;
    if (skeleton->progs.exec_refuse != nullptr) {
      bpf_program__set_autoload(skeleton->progs.exec_refuse, refuses);
      bpf_program__set_autoattach(skeleton->progs.exec_refuse, false);
    }
    bpf_program__set_autoattach(skeleton->progs.owner_exit, false);  // see kernel::Pins::pin
    skeleton->rodata->page_offset_base_at = page_offset_base;
    TRY(skeleton.load());
    return state;
  };
  const Result<std::uint64_t> refusal = try_refusal(loops);
  auto loaded = attempt(refusal.value_or(0));
  std::string why_not_refused = refusal ? "" : refusal.error().message;
  if (!loaded && refusal) {
    why_not_refused = loaded.error().message;
    loaded = attempt(0);
  }
  if (!loaded) {
    Error error = with_context("execwhacker", std::move(loaded).error());
    if (error.code != ExitCode::kNotPermitted) error.code = ExitCode::kUnsupported;
    return tl::unexpected(std::move(error));
  }
  std::unique_ptr<State> state = std::move(*loaded);
  state->why_not_refused = std::move(why_not_refused);
  state->enforcement.emplace(
      kernel::Enforcement::Parts{.settings = &state->skeleton->bss->settings,
                                 .protected_pids = state->skeleton->maps.protected_pids,
                                 .units = state->skeleton->maps.units,
                                 .protected_users = state->skeleton->maps.protected_users,
                                 .protected_files = state->skeleton->maps.protected_files,
                                 .limit_rings = state->skeleton->maps.limit_rings,
                                 .limit_admit = state->skeleton->progs.limit_admit,
                                 .about = state->skeleton->maps.about});
  return std::unique_ptr<ExecProgram>(new ExecProgram(std::move(state)));
}

Result<void> ExecProgram::attach() {
  auto& skeleton = state_->skeleton;
  TRY(skeleton.attach());
  if (!state_->why_not_refused.empty()) return {};
  skeleton->links.exec_refuse = bpf_program__attach(skeleton->progs.exec_refuse);
  if (skeleton->links.exec_refuse == nullptr)
    state_->why_not_refused =
        fail_errno("cannot attach to bprm_check_security", errno).value().message;
  state_->refuses = state_->why_not_refused.empty();
  return {};
}
void ExecProgram::detach() { state_->skeleton.detach(); }

bool ExecProgram::refuses() const { return state_->refuses; }
const std::string& ExecProgram::why_not_refused() const { return state_->why_not_refused; }

Result<void> ExecProgram::put_in_force(const kernel::TableMap& tables) const {
  return tables.put_in_force(bpf_map__fd(state_->skeleton->maps.rules));
}

kernel::Enforcement& ExecProgram::enforcement() { return *state_->enforcement; }

kernel::Pinnable ExecProgram::pinnable() {
  kernel::Skeleton<exec_match_bpf>& skeleton = state_->skeleton;
  return {.name = "exec",
          .skeleton = skeleton->skeleton,
          .self = &skeleton->bss->self,
          .active = skeleton->maps.active,
          .about = skeleton->maps.about,
          .events = skeleton->maps.events,
          .decisions = skeleton->maps.decisions,
          .owner_exit = skeleton->progs.owner_exit,
          .owner_exit_link = &skeleton->links.owner_exit};
}
kernel::Loops ExecProgram::loops() const { return state_->loops; }

exec_stats ExecProgram::stats() const {
  return kernel::sum_of_cpus<exec_stats>(state_->skeleton->maps.stats, state_->cpus);
}

kernel::ProgramRuns ExecProgram::runs() const {
  return kernel::runs_of(state_->skeleton->progs.exec_match);
}

kernel::ProgramRuns ExecProgram::refuse_runs() const {
  const bpf_program* program = state_->skeleton->progs.exec_refuse;
  return program == nullptr ? kernel::ProgramRuns{} : kernel::runs_of(program);
}

Result<kernel::RingBuffer> ExecProgram::events(kernel::RingBuffer::Handler handler) {
  return kernel::RingBuffer::create(bpf_map__fd(state_->skeleton->maps.events), std::move(handler));
}

Result<kernel::RingBuffer> ExecProgram::decisions(kernel::RingBuffer::Handler handler) {
  return kernel::RingBuffer::create(bpf_map__fd(state_->skeleton->maps.decisions),
                                    std::move(handler));
}

}  // namespace cryptnono::detect
