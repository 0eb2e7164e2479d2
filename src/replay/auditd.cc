// Audit records. One exec is several lines with one serial: SYSCALL (exe), EXECVE (a0=... and so
// on, in several records if it is long), CWD, PATH (name), PROCTITLE, EOE. Fields in double quotes
// are as they are; without, they are hex.
#include <array>
#include <charconv>
#include <map>

#include "base/hex.h"
#include "replay/record.h"

namespace cryptnono::replay {

namespace {

// Events that are not complete. The kernel writes one at a time for each process, so a few are open
// at once; a log from which lines are missing must not fill memory.
constexpr std::size_t kMaxOpen = 256;
constexpr std::size_t kMaxArguments = 1U << 20;
constexpr std::size_t kMaxEventBytes = std::size_t{16} << 20;

struct Event {
  std::size_t line = 0;  // of the EXECVE record, or the first
  std::map<std::uint32_t, std::string> arguments;
  std::size_t bytes = 0;
  std::uint32_t argc = 0;
  bool execve = false;
  bool failed = false;
  bool exec_syscall = false;
  bool broken = false;
  std::string exe, filename, proctitle;
};

// The value as it was; false if it is neither in quotes nor hex.
bool decode(std::string_view value, std::string& out) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    out.append(value.substr(1, value.size() - 2));
    return true;
  }
  if (value == "(null)") return true;
  if (value.size() % 2 != 0) return false;
  for (std::size_t i = 0; i < value.size(); i += 2) {
    const auto high = hex_digit(value[i]);
    const auto low = hex_digit(value[i + 1]);
    if (!high || !low) return false;
    out += static_cast<char>(*high * 16 + *low);
  }
  return true;
}

bool number(std::string_view text, std::uint32_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// Calls function(key, value) for each field.
template <typename Function>
void for_each_field(std::string_view text, Function function) {
  while (true) {
    const std::size_t begin = text.find_first_not_of(" \x1d\r");
    if (begin == std::string_view::npos) return;
    text.remove_prefix(begin);
    const std::size_t equals = text.find_first_of("= ");
    if (equals == std::string_view::npos) return;
    if (text[equals] == ' ') {
      text.remove_prefix(equals);
      continue;
    }
    const std::string_view key = text.substr(0, equals);
    text.remove_prefix(equals + 1);
    std::size_t end = 0;
    if (!text.empty() && text.front() == '"') {
      end = text.find('"', 1);
      end = end == std::string_view::npos ? text.size() : end + 1;
    } else {
      end = std::min(text.find_first_of(" \x1d\r"), text.size());
    }
    function(key, text.substr(0, end));
    text.remove_prefix(end);
  }
}

class AuditdParser : public Parser {
 public:
  Kind parse(std::string_view line, std::size_t number_of_line, Record& record,
             std::string& why) override {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos || line.substr(0, 4) == "----")
      return Kind::kOther;
    const std::size_t type_at = line.find("type=");
    const std::size_t msg_at = line.find("msg=audit(");
    const std::size_t close = msg_at == std::string_view::npos ? msg_at : line.find("):", msg_at);
    if (type_at == std::string_view::npos || close == std::string_view::npos || type_at > msg_at) {
      why = "no audit record";
      return Kind::kBroken;
    }
    const std::string_view type = line.substr(type_at + 5, line.find(' ', type_at) - type_at - 5);
    const std::string serial(line.substr(msg_at + 10, close - msg_at - 10));
    const bool ours =
        type == "EXECVE" || type == "SYSCALL" || type == "PATH" || type == "PROCTITLE";
    Kind kind = Kind::kOther;
    if (type == "EOE") {
      const auto found = open_.find(serial);
      if (found != open_.end()) kind = close_event(found, record, why);
      return kind;
    }
    if (!ours) return kind;
    auto found = open_.find(serial);
    if (found == open_.end()) {
      // Serials grow, so the first of the map is the oldest.
      if (open_.size() >= kMaxOpen) kind = close_event(open_.begin(), record, why);
      found = open_.emplace(serial, Event{}).first;
      found->second.line = number_of_line;
    }
    read(type, line.substr(close + 2), number_of_line, found->second);
    return kind;
  }

  Kind finish(Record& record, std::string& why) override {
    while (!open_.empty()) {
      const Kind kind = close_event(open_.begin(), record, why);
      if (kind != Kind::kOther) return kind;
    }
    return Kind::kOther;
  }

  // Arguments in hex cannot be looked for, and the lines of an event stand apart.
  [[nodiscard]] std::optional<Writing> writing() const override { return std::nullopt; }

 private:
  // By seconds and serial as numbers would be right; as text they are as long as each other in all
  // but the rarest logs, and the order only matters when too many are open.
  using Open = std::map<std::string, Event>;

  static void read(std::string_view type, std::string_view text, std::size_t line, Event& event) {
    if (type == "EXECVE") {
      if (!event.execve) event.line = line;
      event.execve = true;
    }
    bool first_path = false;
    for_each_field(text, [&](std::string_view key, std::string_view value) {
      if (type == "EXECVE") {
        if (key == "argc") {
          event.broken |= !number(value, event.argc);
        } else if (key.size() > 1 && key[0] == 'a') {
          argument(key.substr(1), value, event);
        }
      } else if (type == "SYSCALL") {
        if (key == "exe") event.broken |= !decode(value, event.exe);
        if (key == "success") event.failed = value == "no";
        if (key == "SYSCALL") event.exec_syscall = value == "execve" || value == "execveat";
        // 59 and 322 on x86-64, 221 and 281 on arm64; 11 and 358 on i386.
        if (key == "syscall")
          event.exec_syscall = value == "59" || value == "322" || value == "221" ||
                               value == "281" || value == "11" || value == "358" ||
                               value == "execve" || value == "execveat";
      } else if (type == "PATH") {
        if (key == "item") first_path = value == "0";
        if (key == "name" && first_path && event.filename.empty())
          event.broken |= !decode(value, event.filename);
      } else if (key == "proctitle") {
        event.broken |= !decode(value, event.proctitle);
      }
    });
  }

  // `a3=`, `a3_len=`, `a3[1]=`.
  static void argument(std::string_view key, std::string_view value, Event& event) {
    if (key.ends_with("_len")) return;
    const std::size_t bracket = key.find('[');
    std::uint32_t index = 0;
    if (!number(key.substr(0, bracket), index) || index >= kMaxArguments ||
        event.bytes + value.size() > kMaxEventBytes) {
      event.broken = true;
      return;
    }
    event.bytes += value.size();
    event.broken |= !decode(value, event.arguments[index]);  // pieces come in order
  }

  Kind close_event(Open::iterator at, Record& record, std::string& why) {
    Event event = std::move(at->second);
    open_.erase(at);
    if (!event.execve && !event.exec_syscall) return Kind::kOther;
    if (event.failed) return Kind::kFailed;
    record = {};
    record.line = event.line;
    if (event.broken) {
      why = "an audit event with a value that is neither quoted nor hex, or too large";
      return Kind::kBroken;
    }
    if (!event.execve) {
      // The title is cut at 128 bytes.
      if (event.proctitle.empty()) {
        why = "an exec without EXECVE and PROCTITLE records";
        return Kind::kBroken;
      }
      record.argv = std::move(event.proctitle);
      record.cut = record.argv.size() >= 127;
    } else {
      for (std::uint32_t i = 0; i < event.argc || i < event.arguments.size(); ++i) {
        const auto found = event.arguments.find(i);
        if (found == event.arguments.end()) {
          if (event.arguments.size() < event.argc) record.cut = true;
          if (i >= event.argc || record.cut) break;
          continue;
        }
        record.argv.append(found->second).push_back('\0');
      }
    }
    record.path = std::move(event.exe);
    record.filename = std::move(event.filename);
    return Kind::kExec;
  }

  Open open_;
};

}  // namespace

std::unique_ptr<Parser> make_auditd_parser() { return std::make_unique<AuditdParser>(); }

}  // namespace cryptnono::replay
