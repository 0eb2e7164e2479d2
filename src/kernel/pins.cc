#include "kernel/pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>

#include "bpf/api/exec.h"
#include "bpf/api/flow.h"
#include "kernel/ring_buffer.h"

namespace cryptnono::kernel {

namespace {

constexpr std::string_view kActive = "active";
constexpr std::string_view kAbout = "about";
constexpr std::string_view kLink = "link-";
constexpr std::string_view kMap = "map-";
constexpr std::size_t kEpochDigits = 16;

std::string epoch_text(std::uint64_t epoch) { return fmt::format("{:016x}", epoch); }

bool is_epoch(std::string_view name) {
  return name.size() == kEpochDigits &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<std::vector<std::string>> names_in(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(opendir(directory.c_str()), closedir);
  if (!opened) return fail_errno(directory, errno);
  std::vector<std::string> out;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
  while (const dirent* entry = readdir(opened.get())) {
    const std::string_view name = static_cast<const char*>(entry->d_name);
    if (name != "." && name != "..") out.emplace_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Nobody but root may have put there what is there.
Result<void> check_trust(const std::string& path, bool parent) {
  struct statfs filesystem {};
  if (statfs(path.c_str(), &filesystem) != 0) return fail_errno(path, errno);
  if (static_cast<std::uint32_t>(filesystem.f_type) != BPF_FS_MAGIC)
    return fail(path + " is not in a BPF file system (mount -t bpf)");
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return fail_errno(path, errno);
  if (!S_ISDIR(status.st_mode)) return fail(path + " is not a directory");
  if (status.st_uid != 0) return fail(path + " does not belong to root");
  const bool writable = (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  // In a sticky directory nobody replaces what is root's.
  if (writable && !(parent && (status.st_mode & S_ISVTX) != 0))
    return fail(path + " can be written by others than root");
  return {};
}

// A pinned map of this type; nothing if it is something else.
std::optional<Fd> open_map(const std::string& path, std::uint32_t type, bpf_map_info& info) {
  Fd fd(bpf_obj_get(path.c_str()));
  if (!fd) return std::nullopt;
  // bpf_obj_get opens programs and links as well.
  std::array<char, 64> what{};
  const std::string self = "/proc/self/fd/" + std::to_string(fd.get());
  if (readlink(self.c_str(), what.data(), what.size() - 1) < 0 ||
      std::string_view(what.data()) != "anon_inode:bpf-map")
    return std::nullopt;
  std::uint32_t size = sizeof info;
  info = {};
  if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0 || info.type != type) return std::nullopt;
  return fd;
}

std::optional<pin_about> read_about(const std::string& epoch_path) {
  bpf_map_info info{};
  const auto map = open_map(epoch_path + "/" + std::string(kAbout), BPF_MAP_TYPE_ARRAY, info);
  if (!map || info.key_size != sizeof(std::uint32_t) || info.value_size < sizeof(pin_about))
    return std::nullopt;
  std::vector<std::byte> value(info.value_size);
  const std::uint32_t zero = 0;
  if (bpf_map_lookup_elem(map->get(), &zero, value.data()) != 0) return std::nullopt;
  pin_about out{};
  std::memcpy(&out, value.data(), sizeof out);
  if (out.magic != PIN_MAGIC) return std::nullopt;
  return out;
}

bool ours(std::string_view name) {
  return name == kAbout || name.starts_with(kLink) || name.starts_with(kMap);
}

Result<Earlier> look_at(const std::string& path) {
  Earlier out{.path = path, .about = {}, .readable = false, .version = {}};
  const std::vector<std::string> names = TRY(names_in(path));
  for (const std::string& name : names) {
    if (!ours(name)) return fail(fmt::format("{}/{} is not ours", path, name));
  }
  if (names.empty()) return out;  // of a daemon that died before it had pinned anything
  const auto about = read_about(path);
  if (!about) return fail(path + " does not say which daemon's it is");
  out.about = *about;
  out.readable = about->records == PIN_RECORDS && about->exec_event_bytes == sizeof(exec_event) &&
                 about->flow_event_bytes == sizeof(flow_event);
  for (const char each : out.about.version) {
    if (each <= ' ' || each > '~') break;
    out.version += each;
  }
  return out;
}

// Links first: what is left of a removal that was cut short still says whose it is.
Result<std::size_t> remove_epoch(const std::string& path) {
  const std::vector<std::string> names = TRY(names_in(path));
  std::size_t links = 0;
  for (const std::string_view kind : {kLink, kMap, kAbout}) {
    for (const std::string& name : names) {
      if (!name.starts_with(kind)) continue;
      const std::string pin = fmt::format("{}/{}", path, name);
      if (unlink(pin.c_str()) != 0) return fail_errno(pin, errno);
      links += kind == kLink ? 1 : 0;
    }
  }
  if (rmdir(path.c_str()) != 0) return fail_errno(path, errno);
  return links;
}

}  // namespace

Result<std::unique_ptr<Pins>> Pins::open(const std::string& path, bool make) {
  std::string directory = path;
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  const std::string parent = directory.substr(0, std::max<std::size_t>(directory.rfind('/'), 1));
  TRY(check_trust(parent, true));
  if (make && mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST)
    return fail_errno("cannot make " + directory, errno);
  TRY(check_trust(directory, false));
  Fd lock(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!lock) return fail_errno(directory, errno);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_errno(directory, errno);
    return fail("another daemon uses " + directory);
  }
  // Whoever held it may have removed it.
  struct stat held {};
  struct stat named {};
  if (fstat(lock.get(), &held) != 0 || lstat(directory.c_str(), &named) != 0 ||
      held.st_ino != named.st_ino || held.st_dev != named.st_dev)
    return fail(directory + " has just been removed");
  std::unique_ptr<Pins> self(new Pins(directory, std::move(lock)));
  TRY(self->look());
  return self;
}

Result<void> Pins::look() {
  if (getrandom(&epoch_, sizeof epoch_, 0) != sizeof epoch_) return fail_errno("getrandom", errno);
  epoch_ |= 1;  // 0 is nobody's
  for (const std::string& name : TRY(names_in(directory_))) {
    if (name == kActive) continue;
    const std::string path = directory_ + "/" + name;
    if (!is_epoch(name))
      return fail(path + " is not ours: choose a directory that nobody else uses");
    Earlier each = TRY(look_at(path));
    if (each.about.magic == 0) {
      rmdir(path.c_str());
    } else {
      earlier_.push_back(std::move(each));
    }
  }
  return {};
}

// One of another form, which no version has made, is replaced: earlier programs then go on until
// they are removed.
Result<void> Pins::open_active() {
  if (active_) return {};
  const std::string path = directory_ + "/" + std::string(kActive);
  bpf_map_info info{};
  std::optional<Fd> there = open_map(path, BPF_MAP_TYPE_ARRAY, info);
  if (there && info.key_size == sizeof(std::uint32_t) && info.value_size == sizeof epoch_ &&
      info.max_entries == 1) {
    active_ = std::move(*there);
    return {};
  }
  if (access(path.c_str(), F_OK) == 0 && unlink(path.c_str()) != 0) return fail_errno(path, errno);
  Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "active_epoch", sizeof(std::uint32_t), sizeof epoch_, 1,
                        nullptr));
  if (!map) return fail_errno("cannot create a map", errno);
  if (bpf_obj_pin(map.get(), path.c_str()) != 0) return fail_errno("cannot pin " + path, errno);
  active_ = std::move(map);
  return {};
}

Pins::~Pins() {
  if (kept_) return;
  static_cast<void>(remove_epoch(own()));
  // Others' programs may still ask it.
  const auto names = names_in(directory_);
  if (!names || names->size() > 1 || (names->size() == 1 && names->front() != kActive)) return;
  unlink((directory_ + "/" + std::string(kActive)).c_str());
  rmdir(directory_.c_str());
}

std::string Pins::own() const { return directory_ + "/" + epoch_text(epoch_); }

Result<void> Pins::close_gate(const Pinnable& object) {
  TRY(open_active());
  object.self->epoch = epoch_;
  return wait_for_hooks(object);
}

void Pins::open_gate(const Pinnable& object) {
  const std::uint32_t slot = 0;
  bpf_map__delete_elem(object.active, &slot, sizeof slot, 0);
}

// The kernel returns from an update of a map of maps when no program uses the former one any more
// (maybe_wait_bpf_programs, kernel/bpf/syscall.c): a grace period, which every run that is under
// way ends in.
Result<void> Pins::wait_for_hooks(const Pinnable& object) const {
  const std::uint32_t slot = 0;
  const int fd = active_.get();
  if (const int error =
          bpf_map__update_elem(object.active, &slot, sizeof slot, &fd, sizeof fd, BPF_ANY))
    return fail_errno("cannot set the map of the active epoch", -error);
  return {};
}

Result<void> Pins::introduce(const Pinnable& object, std::string_view version,
                             bool unattended_kills) {
  about_map_ = object.about;
  about_ = {.magic = PIN_MAGIC,
            .records = PIN_RECORDS,
            .exec_event_bytes = sizeof(exec_event),
            .flow_event_bytes = sizeof(flow_event),
            .owner = static_cast<std::uint32_t>(getpid()),
            .epoch = epoch_,
            .died_ns = 0,
            .canary_cgroup = about_.canary_cgroup,
            .unattended_kills = unattended_kills ? 1U : 0U,
            .pad = 0,
            .lost_kills = {},
            .version = {}};
  version.copy(about_.version, sizeof about_.version - 1);
  write_about();
  object.self->owner = about_.owner;
  if (mkdir(own().c_str(), S_IRWXU) != 0) return fail_errno("cannot make " + own(), errno);
  return pin_map(about_map_, std::string(kAbout));
}

void Pins::set_unattended(bool kills) {
  about_.unattended_kills = kills ? 1 : 0;
  write_about();
}

void Pins::set_canary_cgroup(std::uint64_t id) {
  about_.canary_cgroup = id;
  write_about();
}

// The kernel side writes to it only when this process is gone.
void Pins::write_about() const {
  if (about_map_ == nullptr) return;
  const std::uint32_t zero = 0;
  bpf_map__update_elem(about_map_, &zero, sizeof zero, &about_, sizeof about_, BPF_ANY);
}

Result<void> Pins::pin_map(bpf_map* map, const std::string& name) const {
  const std::string path = own() + "/" + name;
  if (access(path.c_str(), F_OK) == 0) return {};
  if (bpf_obj_pin(bpf_map__fd(map), path.c_str()) != 0)
    return fail_errno("cannot pin " + path, errno);
  return {};
}

Result<void> Pins::pin(const Pinnable& object) {
  if (object.owner_exit != nullptr && *object.owner_exit_link == nullptr) {
    *object.owner_exit_link = bpf_program__attach(object.owner_exit);
    if (*object.owner_exit_link == nullptr)
      return fail_errno("cannot attach to sched_process_exit", errno);
  }
  if (object.events != nullptr) {
    TRY(pin_map(object.events, fmt::format("{}{}-events", kMap, object.name)));
    TRY(pin_map(object.decisions, fmt::format("{}{}-decisions", kMap, object.name)));
  }
  for (int i = 0; i < object.skeleton->prog_cnt; ++i) {
    bpf_link* link = *object.skeleton->progs[i].link;
    if (link == nullptr || bpf_link__pin_path(link) != nullptr) continue;
    const std::string path = fmt::format("{}/{}{}", own(), kLink, object.skeleton->progs[i].name);
    if (const int error = bpf_link__pin(link, path.c_str()))
      return fail_errno("cannot pin " + path, -error);
  }
  return {};
}

void Pins::unpin(const Pinnable& object) {
  for (int i = 0; i < object.skeleton->prog_cnt; ++i) {
    bpf_link* link = *object.skeleton->progs[i].link;
    if (link != nullptr && bpf_link__pin_path(link) != nullptr) bpf_link__unpin(link);
  }
  for (const char* ring : {"events", "decisions"})
    unlink(fmt::format("{}/{}{}-{}", own(), kMap, object.name, ring).c_str());
}

Result<void> Pins::switch_over() {
  TRY(open_active());
  const std::uint32_t zero = 0;
  if (bpf_map_update_elem(active_.get(), &zero, &epoch_, BPF_ANY) != 0)
    return fail_errno("cannot set the active epoch", errno);
  return {};
}

std::uint64_t Pins::drain(const Earlier& earlier, const Handler& handler) {
  std::uint64_t records = 0;
  for (const std::string_view object : {"exec", "flow"}) {
    for (const std::string_view ring : {"events", "decisions"}) {
      bpf_map_info info{};
      const auto map = open_map(fmt::format("{}/{}{}-{}", earlier.path, kMap, object, ring),
                                BPF_MAP_TYPE_RINGBUF, info);
      if (!map) continue;
      auto reader = RingBuffer::create(map->get(), [&](std::span<const std::byte> record) {
        ++records;
        if (earlier.readable) handler(object, record);
      });
      if (reader) reader->consume();
    }
  }
  return records;
}

pin_about Pins::about_of(const Earlier& earlier) {
  return read_about(earlier.path).value_or(earlier.about);
}

Result<std::size_t> Pins::remove(const Earlier& earlier) { return remove_epoch(earlier.path); }

void destroy_link(bpf_link*& link) {
  if (link != nullptr && bpf_link__pin_path(link) != nullptr) bpf_link__unpin(link);
  bpf_link__destroy(link);
  link = nullptr;
}

}  // namespace cryptnono::kernel
