// ServiceManager: tells whoever started this process as a service how it is, by the protocol of
// sd_notify(3): a datagram of NAME=VALUE lines to the socket that $NOTIFY_SOCKET names (systemd,
// podman and others listen there). Without the variable nothing is told and nothing costs.
// Why not libsystemd: docs/adr/0015-debian-package.md.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/fd.h"

namespace cryptnono {

// One thread at a time. No call fails in a way that matters to who calls: a manager that does not
// get a message acts by its own time limits. None waits longer than a second.
class ServiceManager {
 public:
  // Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, so that children do
  // not speak for this process. While no other thread reads the environment.
  static ServiceManager from_environment();
  // Nobody is told.
  ServiceManager() = default;

  // The service does its work; also the end of what `reloading` began. A line end in a status, here
  // and below, becomes a blank.
  void ready(std::string_view status);
  void reloading();
  void status(std::string_view text);
  void stopping();

  // For the loop that must stay alive: how long it may sleep until it has to call `alive` again, in
  // milliseconds as poll(2) takes them. Half of what the manager allows; -1: it does not watch.
  [[nodiscard]] int wait_ms(std::uint64_t now_ns) const;
  // The loop is at work. Sends at most one message in half of the manager's time. `now_ns` of
  // CLOCK_MONOTONIC.
  void alive(std::uint64_t now_ns);

 private:
  void send(std::string_view message) const;

  Fd socket_;  // none: nobody is told
  sockaddr_un address_{};
  socklen_t address_size_ = 0;
  std::optional<std::uint64_t> half_ns_;  // of the watchdog's time; none: nobody watches
  std::uint64_t told_ns_ = 0;
};

}  // namespace cryptnono
