#include "kernel/cgroup_events.h"

#include <cgroup_watch.skel.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "bpf/api/cgroup.h"
#include "kernel/skeleton.h"

namespace cryptnono::kernel {

struct CgroupEvents::State {
  explicit State(Skeleton<cgroup_watch_bpf> opened) : skeleton(std::move(opened)) {}
  Skeleton<cgroup_watch_bpf> skeleton;
  std::optional<RingBuffer> ring;
};

CgroupEvents::CgroupEvents(std::unique_ptr<State> state) : state_(std::move(state)) {}
CgroupEvents::~CgroupEvents() = default;

Result<std::unique_ptr<CgroupEvents>> CgroupEvents::start(int v1_number, Handler handler) {
  auto state = std::make_unique<State>(TRY(Skeleton<cgroup_watch_bpf>::open()));
  state->skeleton->rodata->v1_number = v1_number;
  TRY(state->skeleton.load());
  state->ring = TRY(RingBuffer::create(
      bpf_map__fd(state->skeleton->maps.events),
      [handler = std::move(handler)](std::span<const std::byte> record) {
        cgroup_event event{};
        if (record.size() < sizeof event) return;
        std::memcpy(&event, record.data(), sizeof event);
        handler(event.id, {event.path, std::min<std::size_t>(event.path_bytes, sizeof event.path)});
      }));
  TRY(state->skeleton.attach());
  return std::unique_ptr<CgroupEvents>(new CgroupEvents(std::move(state)));
}

void CgroupEvents::consume() { state_->ring->consume(); }
int CgroupEvents::epoll_fd() const { return state_->ring->epoll_fd(); }
std::uint64_t CgroupEvents::lost() const { return state_->skeleton->bss->lost; }
ProgramRuns CgroupEvents::runs() const { return runs_of(state_->skeleton->progs.cgroup_made); }

}  // namespace cryptnono::kernel
