#include "seal/seal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/fd.h"

namespace cryptnono::seal {

namespace {

constexpr std::size_t kMaxMessage = 4096;  // of what age says on its error output

struct Pair {
  Fd ours, theirs;
};

Result<Pair> socket_pair() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0)
    return fail_errno("socketpair", errno);
  return Pair{Fd(fds[0]), Fd(fds[1])};
}

// A process that was started; waited for.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) wait();
  }
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
};

Result<pid_t> start(const std::vector<std::string>& words, const Fd& in, const Fd& out,
                    const Fd& messages) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  // Where it finds itself, what plugins need, and nothing else.
  std::vector<std::string> variables;
  for (const char* name : {"PATH", "HOME", "TMPDIR"}) {
    const char* const value = ::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any
    if (value != nullptr) variables.push_back(fmt::format("{}={}", name, value));
  }
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, messages.get(), STDERR_FILENO);
  pid_t pid = -1;
  const int error =
      ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT)
    return fail("the program `age` is not in PATH; it seals (Debian: apt install age)");
  if (error != 0) return fail_errno("cannot start age", error);
  return pid;
}

// Feeds `plaintext` and takes what comes, until both outputs are at their end.
Result<void> exchange(std::string_view plaintext, Fd& in, Fd& out, Fd& messages,
                      std::string& sealed, std::string& said) {
  const auto drain = [](Fd& from, std::string& to, std::size_t most) {
    std::array<char, 65536> buffer{};
    const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) return from.reset();
    to.append(buffer.data(), std::min(static_cast<std::size_t>(got), most - to.size()));
  };
  while (out || messages) {
    if (plaintext.empty()) in.reset();
    std::array<pollfd, 3> waited{pollfd{.fd = in.get(), .events = POLLOUT, .revents = 0},
                                 pollfd{.fd = out.get(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = messages.get(), .events = POLLIN, .revents = 0}};
    if (::poll(waited.data(), waited.size(), -1) < 0 && errno != EINTR)
      return fail_errno("poll", errno);
    if (waited[0].revents != 0) {
      const ssize_t sent =
          ::send(in.get(), plaintext.data(), plaintext.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) plaintext.remove_prefix(static_cast<std::size_t>(sent));
      // It does not want more; its error says why.
      if (sent < 0 && errno != EAGAIN && errno != EINTR) plaintext = {};
    }
    if (waited[1].revents != 0) drain(out, sealed, sealed.max_size());
    if (waited[2].revents != 0) drain(messages, said, kMaxMessage);
  }
  return {};
}

// What age said, as one line and without its advice to report bugs.
std::string first_lines(std::string_view said) {
  std::string out;
  while (!said.empty()) {
    const std::size_t end = said.find('\n');
    std::string_view line = said.substr(0, end);
    said.remove_prefix(end == std::string_view::npos ? said.size() : end + 1);
    if (line.starts_with("age: ")) line.remove_prefix(5);
    if (line.starts_with("error: ")) line.remove_prefix(7);
    if (line.empty() || line.find("filippo.io") != std::string_view::npos) continue;
    out += (out.empty() ? "" : "; ") + std::string(line);
  }
  return out;
}

}  // namespace

Secret pad(std::string_view plaintext) {
  Secret out(std::bit_ceil(std::max(plaintext.size(), kMinPadded)));
  std::copy(plaintext.begin(), plaintext.end(), out.data());
  std::fill(out.data() + plaintext.size(), out.data() + out.size(), '\n');
  return out;
}

std::string_view without_padding(std::string_view text) {
  if (text.size() < kMinPadded || !std::has_single_bit(text.size())) return text;
  const std::size_t last = text.find_last_not_of('\n');
  return text.substr(0, last == std::string_view::npos ? 0 : std::min(last + 2, text.size()));
}

Result<std::string> seal(std::string_view plaintext, const Recipients& recipients,
                         const SealOptions& options) {
  if (recipients.keys.empty() && recipients.files.empty())
    return fail("no recipient is given", ExitCode::kUsage);
  std::vector<std::string> words{"age", "--encrypt"};
  if (options.armor) words.emplace_back("--armor");
  for (const std::string& key : recipients.keys) {
    // What it says of a key that is none is longer, and holds the key.
    if (key.starts_with("AGE-SECRET-KEY-"))
      return fail("a recipient is a private key; give the public one (age-keygen -y)",
                  ExitCode::kUsage);
    words.insert(words.end(), {"--recipient", key});
  }
  for (const std::string& file : recipients.files) {
    if (file == "-") return fail("recipients cannot be read from -", ExitCode::kUsage);
    words.insert(words.end(), {"--recipients-file", file});
  }
  Pair in = TRY(socket_pair());
  Pair out = TRY(socket_pair());
  Pair messages = TRY(socket_pair());
  Child child(TRY(start(words, in.theirs, out.theirs, messages.theirs)));
  for (Pair* pair : {&in, &out, &messages}) pair->theirs.reset();
  std::string sealed;
  std::string said;
  TRY(exchange(plaintext, in.ours, out.ours, messages.ours, sealed, said));
  const int status = child.wait();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return sealed;
  if (WIFEXITED(status)) return fail(fmt::format("age: {}", first_lines(said)), ExitCode::kUsage);
  return fail(fmt::format("age died of signal {}", WTERMSIG(status)));
}

}  // namespace cryptnono::seal
