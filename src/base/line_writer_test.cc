#include "base/line_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <sstream>
#include <thread>
#include <vector>

#include "base/fd.h"

namespace cryptnono {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  Fd read, write;
};

TEST(LineWriter, writes_lines_in_order) {
  Pipe pipe;
  LineWriter writer(pipe.write.get());
  writer.write("one\n");
  writer.write("two\n");
  ASSERT_TRUE(writer.flush(std::chrono::seconds(5)));
  std::array<char, 64> buffer{};
  const ssize_t n = read(pipe.read.get(), buffer.data(), buffer.size());
  EXPECT_EQ(std::string_view(buffer.data(), static_cast<std::size_t>(n)), "one\ntwo\n");
  EXPECT_EQ(writer.dropped(), 0U);
}

TEST(LineWriter, drops_and_counts_when_nobody_reads_and_still_ends) {
  Pipe pipe;
  const auto start = std::chrono::steady_clock::now();
  {
    LineWriter writer(pipe.write.get(), 1 << 16);
    const std::string line = std::string(999, 'x') + "\n";
    for (int i = 0; i < 1000; ++i) writer.write(line);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(500));
    EXPECT_GT(writer.dropped(), 800U);  // 64 KiB in the queue and 64 KiB in the pipe are 130 lines
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
}

TEST(LineWriter, survives_a_reader_that_went_away) {
  Pipe pipe;
  LineWriter writer(pipe.write.get());
  pipe.read.reset();
  writer.write("lost\n");
  EXPECT_TRUE(writer.flush(std::chrono::seconds(5)));
  EXPECT_EQ(writer.dropped(), 1U);
}

// A slow reader of a pipe that says EAGAIN: pieces of lines are written, and all arrive, each whole
// and in the order of its thread.
TEST(LineWriter, delivers_every_line_whole_to_a_slow_reader_from_many_threads) {
  Pipe pipe;
  ASSERT_EQ(fcntl(pipe.write.get(), F_SETFL, O_NONBLOCK), 0);
  constexpr int kThreads = 4;
  constexpr int kLines = 200;
  std::string received;
  std::thread reader([&] {
    std::array<char, 1000> buffer{};
    for (ssize_t n = 0; (n = read(pipe.read.get(), buffer.data(), buffer.size())) > 0;) {
      received.append(buffer.data(), static_cast<std::size_t>(n));
    }
  });
  {
    LineWriter writer(pipe.write.get());
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&writer, thread] {
        const std::string padding(5000, static_cast<char>('a' + thread));  // more than PIPE_BUF
        for (int i = 0; i < kLines; ++i) writer.write(padding + std::to_string(i) + "\n");
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_TRUE(writer.flush(std::chrono::seconds(30)));
    EXPECT_EQ(writer.dropped(), 0U);
  }
  pipe.write.reset();
  reader.join();
  std::array<int, kThreads> next{};
  std::istringstream lines(received);
  for (std::string line; std::getline(lines, line);) {
    ASSERT_GT(line.size(), 5000U);
    const auto thread = static_cast<std::size_t>(line[0] - 'a');
    ASSERT_LT(thread, next.size());
    ASSERT_EQ(line.substr(0, 5000), std::string(5000, line[0]));
    EXPECT_EQ(line.substr(5000), std::to_string(next[thread]++));
  }
  EXPECT_EQ(next, (std::array<int, kThreads>{kLines, kLines, kLines, kLines}));
}

TEST(LineWriter, says_that_a_flush_did_not_finish_and_writes_on_when_the_reader_is_back) {
  Pipe pipe;
  LineWriter writer(pipe.write.get());
  const std::string line = std::string(99'999, 'x') + "\n";  // more than a pipe holds
  writer.write(line);
  EXPECT_FALSE(writer.flush(std::chrono::milliseconds(50)));
  std::string received(line.size(), '\0');
  std::size_t done = 0;
  while (done < received.size()) {
    const ssize_t n = read(pipe.read.get(), received.data() + done, received.size() - done);
    ASSERT_GT(n, 0);
    done += static_cast<std::size_t>(n);
  }
  EXPECT_TRUE(writer.flush(std::chrono::seconds(5)));
  EXPECT_EQ(received, line);
  EXPECT_EQ(writer.dropped(), 0U);
}

}  // namespace
}  // namespace cryptnono
