// Record: one command line as some log has it, and the parsers of logs' formats.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "replay/prefilter.h"

namespace cryptnono::replay {

enum class Format : std::uint8_t { kCryptnono, kUpstream, kPs, kExecsnoop, kAuditd, kLines };

// What is not known is empty. docs/replay.md says what each format knows.
struct Record {
  std::string path;      // of the executable, resolved
  std::string filename;  // as given to execve
  std::string argv;      // NUL between the arguments
  std::size_t line = 0;  // from 1
  bool running = false;  // seen while it ran, not at its exec: judged as by a scan
  bool cut = false;      // the log does not have all of it
};

enum class Kind : std::uint8_t {
  kExec,    // a command line
  kOther,   // a line that has none: a header, another event
  kFailed,  // an exec that failed: nothing ran
  kMasked,  // redacted: what was banned does not stand there any more
  kBroken
};

// Reads the lines of one log in order. Not thread-safe. Bounded by the longest line, but for
// auditd, which keeps a bounded number of events that are not complete.
class Parser {
 public:
  virtual ~Parser() = default;
  // `line` without its newline. `why` is set for kBroken.
  virtual Kind parse(std::string_view line, std::size_t number, Record& record,
                     std::string& why) = 0;
  // At the end of the log, until kOther: what is left.
  virtual Kind finish(Record&, std::string&) { return Kind::kOther; }
  // How this log writes command lines; nothing: every line must be parsed. Asked after the first
  // lines.
  [[nodiscard]] virtual std::optional<Writing> writing() const = 0;
};

std::unique_ptr<Parser> make_parser(Format format);

// The format of a log that begins so. Errors: kUsage, if nothing tells.
Result<Format> detect_format(std::string_view beginning);

[[nodiscard]] std::string_view format_name(Format format);

// The words of a command line by the rules of a shell (Python's shlex.split), NUL behind each.
// Nothing: a quote is not closed.
std::optional<std::string> shell_split(std::string_view text);

// Words between single blanks, NUL between them: where nothing tells which blanks were inside of an
// argument.
std::string split_blanks(std::string_view text);

std::unique_ptr<Parser> make_auditd_parser();
std::unique_ptr<Parser> make_json_parser();

}  // namespace cryptnono::replay
