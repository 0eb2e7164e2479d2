// LineWriter: writes lines to a file descriptor on a thread of its own, so that a reader who does
// not read never stops a kill.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace cryptnono {

// write() may be called from any thread and never blocks on the descriptor. What does not fit is
// dropped, whole lines only, and counted. Ignores SIGPIPE for the process.
class LineWriter {
 public:
  // `fd` is not owned. At most `max_bytes` wait.
  explicit LineWriter(int fd, std::size_t max_bytes = 8 << 20);
  // Waits at most a second for what is queued.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // `line` ends with a newline.
  void write(std::string line);
  // Waits until all is written, or for `timeout`; says whether all was.
  bool flush(std::chrono::milliseconds timeout);
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  void run();
  bool write_all(const std::string& line);

  const int fd_;
  const std::size_t max_bytes_;
  std::atomic<std::uint64_t> dropped_ = 0;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<std::string> queue_;  // guarded by mutex_, as all below
  std::size_t queued_bytes_ = 0;
  bool writing_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace cryptnono
