#include "app/health.h"

#include <fmt/format.h>
#include <sys/eventfd.h>

#include "base/clock.h"

namespace cryptnono::app {

Health::Health() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Health::answer() {
  eventfd_t pings = 0;
  eventfd_read(event_.get(), &pings);
  asked_ns_ = 0;
}

std::string Health::probe(std::uint64_t now_ns) {
  if (!event_) return "there is no descriptor to ask the main loop with";
  std::uint64_t asked = 0;
  if (asked_ns_.compare_exchange_strong(asked, now_ns)) {
    eventfd_write(event_.get(), 1);
    return "";
  }
  const std::uint64_t waited = elapsed_ns(now_ns, asked);
  if (waited <= kPatienceNs) return "";
  return fmt::format("the main loop has not answered for {} seconds", waited / 1'000'000'000);
}

}  // namespace cryptnono::app
