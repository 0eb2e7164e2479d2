#include "base/line_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

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

}  // namespace
}  // namespace cryptnono
