#include "base/service_manager.h"

#include <sys/time.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/clock.h"

namespace cryptnono {

namespace {

// The value, and the variable is gone. "": it was not there, or empty.
std::string take(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): as the header asks
  const char* const value = ::getenv(name);
  std::string out = value == nullptr ? "" : value;
  ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe): as the header asks
  return out;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return out;
}

// A line end would begin a message of its own.
std::string one_line(std::string_view text) {
  std::string out(text);
  std::replace(out.begin(), out.end(), '\n', ' ');
  return out;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  ServiceManager out;
  const std::string path = take("NOTIFY_SOCKET");
  const std::string watchdog_usec = take("WATCHDOG_USEC");
  const std::string watchdog_pid = take("WATCHDOG_PID");
  // A path, or @ and a name in the abstract name space. Others (vsock) are for machines.
  if (path.size() < 2 || (path.front() != '/' && path.front() != '@')) return out;
  if (path.size() >= sizeof out.address_.sun_path) return out;
  out.address_.sun_family = AF_UNIX;
  std::memcpy(static_cast<char*>(out.address_.sun_path), path.data(), path.size());
  if (path.front() == '@') out.address_.sun_path[0] = '\0';
  out.address_size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  out.socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  // A manager whose queue is full must not stop us.
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  if (out.socket_)
    ::setsockopt(out.socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);

  const std::optional<std::uint64_t> usec = number(watchdog_usec);
  const bool meant =
      watchdog_pid.empty() || number(watchdog_pid) == static_cast<std::uint64_t>(::getpid());
  constexpr std::uint64_t kMaxUsec = 86'400'000'000;  // a day; keeps milliseconds in an int
  if (usec && *usec > 0 && meant) out.half_ns_ = std::min(*usec, kMaxUsec) * 1000 / 2;
  return out;
}

void ServiceManager::send(std::string_view message) const {
  if (!socket_) return;
  static_cast<void>(::sendto(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&address_), address_size_));
}

void ServiceManager::ready(std::string_view status) { send("READY=1\nSTATUS=" + one_line(status)); }

// The time is for Type=notify-reload (systemd 253), which wants to know which reload this is.
void ServiceManager::reloading() {
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_ns() / 1000) +
       "\nSTATUS=Reloading");
}

void ServiceManager::status(std::string_view text) { send("STATUS=" + one_line(text)); }

void ServiceManager::stopping() { send("STOPPING=1\nSTATUS=Stopping"); }

int ServiceManager::wait_ms(std::uint64_t now_ns) const {
  if (!half_ns_ || !socket_) return -1;
  const std::uint64_t left_ns = elapsed_ns(told_ns_ + *half_ns_, now_ns);
  return static_cast<int>((left_ns + 999'999) / 1'000'000);
}

void ServiceManager::alive(std::uint64_t now_ns) {
  if (wait_ms(now_ns) != 0) return;
  told_ns_ = now_ns;
  send("WATCHDOG=1");
}

}  // namespace cryptnono
