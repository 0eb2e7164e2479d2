// Takeover: enforcement that outlives the daemon. Pins what this daemon's detectors attach, and
// takes over from those that came before it (docs/adr/0018-pins.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/types.h"
#include "detect/subject.h"
#include "kernel/pins.h"
#include "metrics/exposition.h"

namespace cryptnono::app {

// All but set_canary_cgroup(), lost_kills(), collect() belong to one thread.
class Takeover {
 public:
  // What became of one earlier daemon.
  struct Report {
    std::string version;
    std::uint64_t epoch = 0;
    std::size_t links = 0;
    std::optional<double> unattended_s;  // from its end until now; nothing: not known
    std::uint64_t records = 0;           // that it had not read
    bool readable = true;                // else they are counted only
    std::uint64_t lost_kills = 0;        // of that time, of which no record tells
  };

  // From here on it is tried, now and whenever due() says so. Without a directory nothing is.
  Result<void> use(const config::Pins& config);
  // Of what can be set while it runs.
  void set(const config::Pins& config);

  // Around each attaching: before it, its hooks are to wait for take_over(); after it, and whenever
  // there may be more links, they are pinned if that has happened; before it is detached for good.
  // An error is one of pins, not of the object: it is in force then, and not pinned.
  Result<void> before_attach(const kernel::Pinnable& object);
  Result<void> attached(const kernel::Pinnable& object);
  void detaching(const kernel::Pinnable& object);

  // Called for each record that an earlier daemon's kernel side has left, with the object's name.
  using Sink = std::function<void(std::string_view object, std::span<const std::byte> record,
                                  const detect::EarlierDaemon& earlier)>;
  // With all objects attached: pins them, puts them in force instead of those of earlier daemons,
  // hands on what these have left, and removes them.
  Result<std::vector<Report>> take_over(const Sink& sink);
  // It has not come to a take-over yet, and it is time to try again. Tries to open the directory.
  bool due(std::uint64_t now_ns);
  // For poll(2); -1: nothing is to be tried again.
  [[nodiscard]] int wait_ms(std::uint64_t now_ns) const;

  // At an orderly end, before anything is detached: what is pinned goes, or with onStop: keep
  // stays.
  void stop();
  void set_canary_cgroup(std::uint64_t id);

  [[nodiscard]] bool wanted() const;
  // In which the names of pins are; empty unless it is pinned.
  [[nodiscard]] std::vector<std::string> directories() const;
  // Kills that earlier daemons' kernel sides did unattended, and no record tells of; by
  // pin_about::lost_kills.
  [[nodiscard]] std::array<std::uint64_t, 3> lost_kills() const;
  void collect(metrics::Exposition& out) const;

  static constexpr std::uint64_t kRetryNs = 2'000'000'000;

 private:
  Result<void> open();
  Result<void> fall_back(Error error);
  Result<void> put_in_force();
  Report close_book(const kernel::Earlier& earlier, const Sink& sink);

  mutable std::mutex mutex_;
  // All guarded by mutex_.
  config::Pins config_;
  std::unique_ptr<kernel::Pins> pins_;
  std::vector<kernel::Pinnable> objects_;  // that are attached, or about to be
  bool gates_closed_ = false;              // those of objects_ wait
  bool in_force_ = false;                  // pinned
  bool kept_ = false;
  std::uint64_t canary_cgroup_ = 0;
  std::uint64_t retry_ns_ = 0;
  std::array<std::uint64_t, 3> lost_kills_{};
  double unattended_s_ = 0;
  std::uint64_t records_ = 0, unreadable_ = 0;
};

// `run --release`: removes what daemons have left in `directory`, and says what, in lines. Errors:
// as kernel::Pins::open.
Result<std::string> release_pins(const std::string& directory);

}  // namespace cryptnono::app
