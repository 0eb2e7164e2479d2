#include "base/line_writer.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace cryptnono {

namespace {
constexpr std::chrono::milliseconds kLastWait{1000};
constexpr int kPollMs = 100;  // how long a stop may go unnoticed while nobody reads
}  // namespace

LineWriter::LineWriter(int fd, std::size_t max_bytes)
    : fd_(fd), max_bytes_(max_bytes), thread_([this] { run(); }) {
  std::signal(SIGPIPE, SIG_IGN);
}

LineWriter::~LineWriter() {
  flush(kLastWait);
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void LineWriter::write(std::string line) {
  {
    const std::lock_guard lock(mutex_);
    if (queued_bytes_ + line.size() > max_bytes_) {
      ++dropped_;
      return;
    }
    queued_bytes_ += line.size();
    queue_.push_back(std::move(line));
  }
  wake_.notify_one();
}

bool LineWriter::flush(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, timeout, [this] { return queue_.empty() && !writing_; });
}

void LineWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    const std::string line = std::move(queue_.front());
    queue_.pop_front();
    writing_ = true;
    lock.unlock();
    if (!write_all(line)) ++dropped_;
    lock.lock();
    writing_ = false;
    queued_bytes_ -= line.size();
    if (queue_.empty()) idle_.notify_all();
  }
}

// Polls before it writes, so that a blocking descriptor does not keep the thread from seeing stop_.
// A pipe that polls writable takes PIPE_BUF bytes at once; larger pieces could block.
bool LineWriter::write_all(const std::string& line) {
  constexpr std::size_t kPiece = 4096;
  std::size_t done = 0;
  while (done < line.size() && !stop_) {
    pollfd poll_fd{.fd = fd_, .events = POLLOUT, .revents = 0};
    if (poll(&poll_fd, 1, kPollMs) <= 0) continue;
    const ssize_t written = ::write(fd_, line.data() + done, std::min(kPiece, line.size() - done));
    if (written < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return false;
    }
    done += static_cast<std::size_t>(written);
  }
  return done == line.size();
}

}  // namespace cryptnono
