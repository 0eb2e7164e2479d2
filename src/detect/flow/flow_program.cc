#include "detect/flow/flow_program.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <flow_watch.skel.h>
#include <flow_watch_plain.skel.h>

#include <array>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "container/cgroup_id.h"
#include "container/scope.h"
#include "kernel/counters.h"
#include "kernel/lsm.h"
#include "kernel/skeleton.h"

namespace cryptnono::detect {

namespace {

using config::ConnectHooks;
using Skeleton = kernel::Skeleton<flow_watch_bpf>;

// Besides one for each CPU: for tasks that were preempted in a hook (flow_record.bpf.h).
constexpr std::uint32_t kSpareScratches = 8;

std::array<bpf_program*, 4> hook_programs(Skeleton& skeleton) {
  return {skeleton->progs.flow_connect4, skeleton->progs.flow_connect6,
          skeleton->progs.flow_sendmsg4, skeleton->progs.flow_sendmsg6};
}

kernel::Enforcement::Parts parts_of(Skeleton& skeleton) {
  return {.settings = skeleton->bss == nullptr ? nullptr : &skeleton->bss->settings,
          .protected_pids = skeleton->maps.protected_pids,
          .units = skeleton->maps.units,
          .protected_users = skeleton->maps.protected_users,
          .protected_files = skeleton->maps.protected_files,
          .limit_rings = skeleton->maps.limit_rings,
          .limit_admit = skeleton->progs.limit_admit,
          .about = skeleton->maps.about};
}

// The root of the cgroup v2 hierarchy. A container with a cgroup namespace of its own sees its own
// cgroup there, and hooks on that would see nobody else.
Result<Fd> open_cgroup_root() {
  const std::string path = container::cgroup2_mount_point();
  if (path.empty()) return fail("cgroup v2 is not mounted");
  if (!container::is_hierarchy_root(path))
    return fail(path + " is not the root of cgroup v2 (cgroup namespace)");
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno(path, errno);
  return fd;
}

}  // namespace

struct FlowProgram::State {
  explicit State(Skeleton opened) : skeleton(std::move(opened)) {}

  Skeleton skeleton;
  std::optional<kernel::Enforcement> enforcement;
  ConnectHooks loaded = ConnectHooks::kKill;
  ConnectHooks attached = ConnectHooks::kObserve;
  std::string why_not_better;
  std::string why_not_lsm;
  kernel::Loops loops = kernel::Loops::kCallbacks;
  int cpus = 1;
  bool running = false;  // attached
};

FlowProgram::FlowProgram(std::unique_ptr<State> state) : state_(std::move(state)) {}
FlowProgram::~FlowProgram() = default;

Result<std::unique_ptr<FlowProgram>> FlowProgram::load(const Options& options) {
  return kernel::first_accepted([&](kernel::Loops loops) { return load(options, loops); });
}

Result<std::unique_ptr<FlowProgram>> FlowProgram::load(const Options& options,
                                                       kernel::Loops loops) {
  const auto attempt = [&](ConnectHooks hooks, bool lsm) -> Result<std::unique_ptr<FlowProgram>> {
    auto state = std::make_unique<State>(TRY(Skeleton::open<flow_watch_plain_bpf>(loops)));
    state->loops = loops;
    Skeleton& skeleton = state->skeleton;
    state->cpus = libbpf_num_possible_cpus();
    if (state->cpus <= 0) return fail_errno("cannot count the CPUs", -state->cpus);
    bpf_map__set_max_entries(skeleton->maps.scratches,
                             static_cast<std::uint32_t>(state->cpus) + kSpareScratches);
    TRY(kernel::share_maps(parts_of(skeleton), options.shared));
    skeleton->rodata->hooks_may_signal = hooks != ConnectHooks::kRefuse;
    for (bpf_program* program : hook_programs(skeleton))
      bpf_program__set_autoload(program, hooks != ConnectHooks::kObserve);
    bpf_program__set_autoload(skeleton->progs.flow_refuse, lsm);
    TRY(skeleton.load());
    state->loaded = hooks;
    state->enforcement.emplace(parts_of(skeleton));
    return std::unique_ptr<FlowProgram>(new FlowProgram(std::move(state)));
  };
  std::string why;
  std::string why_not_lsm;
  if (options.best != ConnectHooks::kKill) {
    why_not_lsm = "the configuration wants less than refusing and killing in one";
  } else if (const Result<void> tried = kernel::try_lsm(); !tried) {
    why_not_lsm = tried.error().message;
  }
  auto hooks = static_cast<int>(options.best);
  // Asked of a program of two instructions, so as not to have all of ours looked through in vain.
  if (options.best == ConnectHooks::kKill &&
      libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_send_signal, nullptr) == 0) {
    why = "programs of cgroups may not send signals on this kernel";
    hooks = static_cast<int>(ConnectHooks::kRefuse);
  }
  // Without a place to attach to, the object for observing, which kills by itself.
  if (const Result<Fd> root = open_cgroup_root(); !root) {
    why = root.error().message;
    hooks = static_cast<int>(ConnectHooks::kObserve);
  }
  for (;; --hooks) {
    auto program = attempt(static_cast<ConnectHooks>(hooks), why_not_lsm.empty());
    if (!program && why_not_lsm.empty()) {
      // Which of the two was it?
      auto without = attempt(static_cast<ConnectHooks>(hooks), false);
      if (without) {
        why_not_lsm = program.error().message;
        program = std::move(without);
      }
    }
    if (program) {
      (*program)->state_->why_not_better = why;
      (*program)->state_->why_not_lsm = why_not_lsm;
      return program;
    }
    if (why.empty()) why = program.error().message;
    if (hooks > static_cast<int>(ConnectHooks::kObserve)) continue;
    Error error = with_context("tcpflowkiller", std::move(program).error());
    if (error.code != ExitCode::kNotPermitted) error.code = ExitCode::kUnsupported;
    return tl::unexpected(std::move(error));
  }
}

Result<void> FlowProgram::attach() {
  Skeleton& skeleton = state_->skeleton;
  const auto attach_hooks = [&]() -> Result<void> {
    const Fd root = TRY(open_cgroup_root());
    const std::array<bpf_link**, 4> links{
        &skeleton->links.flow_connect4, &skeleton->links.flow_connect6,
        &skeleton->links.flow_sendmsg4, &skeleton->links.flow_sendmsg6};
    const auto programs = hook_programs(skeleton);
    for (std::size_t i = 0; i < links.size(); ++i) {
      *links[i] = bpf_program__attach_cgroup(programs[i], root.get());
      if (*links[i] == nullptr) return fail_errno("cannot attach to the root of cgroup v2", errno);
    }
    return {};
  };
  if (state_->loaded != ConnectHooks::kObserve) {
    const Result<void> hooked = attach_hooks();
    if (hooked) {
      state_->attached = state_->loaded;
    } else {
      state_->why_not_better = hooked.error().message;
      skeleton.detach();
    }
  }
  if (state_->why_not_lsm.empty()) {
    skeleton->links.flow_refuse = bpf_program__attach(skeleton->progs.flow_refuse);
    if (skeleton->links.flow_refuse == nullptr)
      state_->why_not_lsm = fail_errno("cannot attach to socket_connect", errno).value().message;
  }
  // From here on the tracepoint leaves to the hooks what they see.
  skeleton->bss->flow.hooked = state_->attached == ConnectHooks::kObserve ? 0 : 1;
  state_->running = true;
  return attach_state();
}

// It runs at every change of state of every TCP socket of the machine, so only where it is needed.
Result<void> FlowProgram::attach_state() {
  Skeleton& skeleton = state_->skeleton;
  const bool wanted =
      state_->attached == ConnectHooks::kObserve || skeleton->bss->flow.only_failed != 0;
  bpf_link*& link = skeleton->links.flow_state;
  if (!state_->running || wanted == (link != nullptr)) return {};
  if (wanted) {
    link = bpf_program__attach(skeleton->progs.flow_state);
    if (link == nullptr)
      return fail_errno("tcpflowkiller: cannot attach to inet_sock_set_state", errno);
  } else {
    kernel::destroy_link(link);
  }
  return {};
}

void FlowProgram::detach() {
  state_->running = false;
  state_->skeleton.detach();
}

kernel::Pinnable FlowProgram::pinnable() {
  Skeleton& skeleton = state_->skeleton;
  return {.name = "flow",
          .skeleton = skeleton->skeleton,
          .self = &skeleton->bss->self,
          .active = skeleton->maps.active,
          .about = skeleton->maps.about,
          .events = skeleton->maps.events,
          .decisions = skeleton->maps.decisions};
}

ConnectHooks FlowProgram::hooks() const { return state_->attached; }
kernel::Loops FlowProgram::loops() const { return state_->loops; }
const std::string& FlowProgram::why_not_better() const { return state_->why_not_better; }
const std::string& FlowProgram::why_not_lsm() const { return state_->why_not_lsm; }

Result<void> FlowProgram::put_in_force(const kernel::TableMap& tables) const {
  return tables.put_in_force(bpf_map__fd(state_->skeleton->maps.flow_tables));
}

Result<void> FlowProgram::set_scan(const flow_settings& settings) {
  volatile flow_settings& flow = state_->skeleton->bss->flow;
  flow.threshold = 0;  // while the others change
  flow.window_ns = settings.window_ns;
  flow.per = settings.per;
  flow.only_failed = settings.only_failed;
  flow.udp = settings.udp;
  flow.log_connects = settings.log_connects;
  flow.threshold = settings.threshold;
  flow.counting = settings.threshold != 0 || settings.log_connects != 0 ? 1 : 0;
  return attach_state();
}

kernel::Enforcement& FlowProgram::enforcement() { return *state_->enforcement; }

void FlowProgram::for_each_unit(
    const std::function<bool(const flow_unit_key&, const flow_unit&)>& judge) {
  bpf_map* map = state_->skeleton->maps.units_counted;
  std::vector<flow_unit_key> keys;
  // The keys first: a key that is deleted would send the walk back to its beginning.
  flow_unit_key next{};
  while (keys.size() < std::size_t{FLOW_UNITS} &&
         bpf_map__get_next_key(map, keys.empty() ? nullptr : &keys.back(), &next, sizeof next) == 0)
    keys.push_back(next);
  flow_unit unit{};
  for (const flow_unit_key& each : keys) {
    if (bpf_map__lookup_elem(map, &each, sizeof each, &unit, sizeof unit, 0) != 0) continue;
    if (!judge(each, unit)) bpf_map__delete_elem(map, &each, sizeof each, 0);
  }
}

void FlowProgram::forget_units() {
  for_each_unit([](const flow_unit_key&, const flow_unit&) { return false; });
}

FlowProgram::Stats FlowProgram::stats() const {
  return {.kernel = kernel::sum_of_cpus<flow_counters>(state_->skeleton->maps.stats, state_->cpus),
          .recursion_misses = kernel::runs_of(state_->skeleton->progs.flow_state).recursion_misses};
}

std::vector<kernel::ProgramRuns> FlowProgram::runs() const {
  std::vector<kernel::ProgramRuns> out{kernel::runs_of(state_->skeleton->progs.flow_state)};
  if (state_->why_not_lsm.empty())
    out.push_back(kernel::runs_of(state_->skeleton->progs.flow_refuse));
  if (state_->loaded == ConnectHooks::kObserve) return out;
  for (const bpf_program* program : hook_programs(state_->skeleton))
    out.push_back(kernel::runs_of(program));
  return out;
}

Result<kernel::RingBuffer> FlowProgram::events(kernel::RingBuffer::Handler handler) {
  return kernel::RingBuffer::create(bpf_map__fd(state_->skeleton->maps.events), std::move(handler));
}

Result<kernel::RingBuffer> FlowProgram::decisions(kernel::RingBuffer::Handler handler) {
  return kernel::RingBuffer::create(bpf_map__fd(state_->skeleton->maps.decisions),
                                    std::move(handler));
}

}  // namespace cryptnono::detect
