#include "commands/status_command.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "base/utf8.h"
#include "commands/control_client.h"
#include "status/json.h"
#include "status/text.h"

namespace cryptnono::commands {

namespace {

status::TextOptions options_for_terminal(bool watch) {
  status::TextOptions out;
  winsize window{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0) {
    out.columns = window.ws_col;
    // The last row is where the cursor stands.
    if (watch && window.ws_row > 2) out.rows = window.ws_row - 1U;
  }
  // NOLINTBEGIN(concurrency-mt-unsafe): there is no other thread
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  // NOLINTEND(concurrency-mt-unsafe)
  const bool dumb = terminal != nullptr && std::string_view(terminal) == "dumb";
  out.colour = (no_colour == nullptr || *no_colour == 0) && !dumb;
  return out;
}

// What to show, and the exit code.
std::pair<std::string, ExitCode> look(const StatusCommand& command, bool terminal,
                                      std::string& error) {
  const auto failed = [&](const Error& what) {
    error = for_terminal(what.message) + "\n";
    return std::pair(std::string(), what.code);
  };
  const Result<std::string> answer =
      ask_daemon(command.socket, command.alive ? "/healthz" : "/status.json");
  if (!answer) return failed(answer.error());
  if (command.alive) return {*answer, ExitCode::kOk};
  const Result<status::Status> status = status::from_json(*answer);
  if (!status) return failed(with_context(command.socket, status.error()));
  const ExitCode code = status->not_ready.empty() ? ExitCode::kOk : ExitCode::kNotReady;
  if (command.json) return {*answer, code};
  const bool watch = command.watch_s.has_value();
  return {status_text(*status, terminal ? options_for_terminal(watch) : status::TextOptions{}),
          code};
}

}  // namespace

int run_status(const StatusCommand& command, std::ostream& out, std::ostream& err) {
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  for (bool first = true;; first = false) {
    std::string error;
    const auto [text, code] = look(command, terminal, error);
    const bool redraw = command.watch_s && terminal && !command.json;
    if (redraw) out << (first ? "\x1b[2J\x1b[H" : "\x1b[H");
    if (redraw) {
      // Each line's rest, and what was below, is cleared: so nothing flickers.
      for (const char c : error.empty() ? text : error) {
        if (c == '\n') out << "\x1b[K";
        out << c;
      }
      out << "\x1b[J";
    } else {
      if (!first && !command.json) out << '\n';
      out << text;
      err << error;
    }
    out.flush();
    if (!command.watch_s || !out) return static_cast<int>(code);
    std::this_thread::sleep_for(std::chrono::duration<double>(*command.watch_s));
  }
}

}  // namespace cryptnono::commands
