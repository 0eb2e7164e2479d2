// Logs without quoting of their own: ps, execsnoop, raw lines; and which format a log has.
#include <algorithm>
#include <array>
#include <vector>

#include "replay/record.h"

namespace cryptnono::replay {

namespace {

std::string_view without_return(std::string_view line) {
  while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> out;
  for (std::size_t at = line.find_first_not_of(" \t"); at != std::string_view::npos;
       at = line.find_first_not_of(" \t", at)) {
    const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
    out.push_back(line.substr(at, end - at));
    at = end;
  }
  return out;
}

// What stands behind `count` fields and the blanks after them; nothing if there are fewer.
std::optional<std::string_view> behind(std::string_view line, std::size_t count) {
  std::size_t at = line.find_first_not_of(" \t");
  for (std::size_t i = 0; i < count; ++i) {
    if (at == std::string_view::npos) return std::nullopt;
    const std::size_t end = line.find_first_of(" \t", at);
    if (end == std::string_view::npos) return std::nullopt;
    at = line.find_first_not_of(" \t", end);
  }
  if (at == std::string_view::npos) return std::nullopt;
  return line.substr(at);
}

bool is_ps_header(const std::vector<std::string_view>& fields) {
  static constexpr std::array<std::string_view, 27> kColumns{
      "USER", "UID",  "PID",   "PPID",  "%CPU", "%MEM",  "VSZ",  "RSS", "TTY",
      "TT",   "STAT", "START", "TIME",  "C",    "STIME", "S",    "F",   "PRI",
      "NI",   "ADDR", "SZ",    "WCHAN", "LWP",  "NLWP",  "PGID", "SID", "ELAPSED"};
  if (fields.empty() || (fields.back() != "COMMAND" && fields.back() != "CMD")) return false;
  return std::all_of(fields.begin(), fields.end() - 1, [](std::string_view each) {
    return each == "STARTED" || std::find(kColumns.begin(), kColumns.end(), each) != kColumns.end();
  });
}

class PsParser : public Parser {
 public:
  Kind parse(std::string_view line, std::size_t number, Record& record, std::string& why) override {
    line = without_return(line);
    const std::vector<std::string_view> fields = fields_of(line.substr(0, 512));
    if (fields.empty()) return Kind::kOther;
    if (!known_ && is_ps_header(fields)) {
      columns_ = fields.size() - 1;
      started_ = static_cast<std::size_t>(std::find(fields.begin(), fields.end(), "STARTED") -
                                          fields.begin());
      known_ = true;
      return Kind::kOther;
    }
    if (!known_) {
      why = "no header line of ps before it";
      return Kind::kBroken;
    }
    std::size_t skip = columns_;
    // `lstart` is five words under one heading: "Thu Nov 26 21:36:08 2026".
    if (started_ < columns_ && started_ < fields.size() &&
        std::string_view("Sun Mon Tue Wed Thu Fri Sat ")
                .find(std::string(fields[started_]) + ' ') != std::string_view::npos &&
        fields[started_].size() == 3)
      skip += 4;
    std::optional<std::string_view> command = behind(line, skip);
    if (!command) {
      why = "fewer columns than the header has";
      return Kind::kBroken;
    }
    record = {};
    record.line = number;
    record.running = true;
    record.argv = split_blanks(*command);
    return Kind::kExec;
  }
  [[nodiscard]] std::optional<Writing> writing() const override {
    return known_ ? std::optional(Writing::kPlain) : std::nullopt;
  }

 private:
  bool known_ = false;
  std::size_t columns_ = 0;
  std::size_t started_ = 0;
};

// bcc's: PCOMM PID PPID RET ARGS, perhaps with TIME, TIME(s) or UID before; the file name is in the
// place of the first argument. bpftrace's: TIME(ms) PID ARGS, the arguments alone.
class ExecsnoopParser : public Parser {
 public:
  Kind parse(std::string_view line, std::size_t number, Record& record, std::string& why) override {
    line = without_return(line);
    const std::vector<std::string_view> fields = fields_of(line.substr(0, 512));
    if (fields.empty() || line.substr(0, 9) == "Attaching" || line.substr(0, 7) == "Tracing")
      return Kind::kOther;
    if (!known_ && is_header(fields)) {
      columns_ = fields.size() - 1;
      ret_ =
          static_cast<std::size_t>(std::find(fields.begin(), fields.end(), "RET") - fields.begin());
      known_ = true;
      return Kind::kOther;
    }
    if (!known_) {
      why = "no header line of execsnoop before it";
      return Kind::kBroken;
    }
    // A name of a process (PCOMM) may have blanks in it: then the numbers are further behind.
    std::size_t skip = columns_;
    const bool bcc = ret_ >= 2 && ret_ < columns_;
    while (bcc && ret_ + skip - columns_ < fields.size() && skip < columns_ + 8 &&
           !(is_number(fields[ret_ + skip - columns_]) &&
             is_number(fields[ret_ + skip - columns_ - 1]) &&
             is_number(fields[ret_ + skip - columns_ - 2])))
      ++skip;
    const std::optional<std::string_view> command = behind(line, skip);
    if (!command) {
      if (fields.size() == columns_) return Kind::kOther;  // an exec without any argument
      why = "fewer columns than the header has";
      return Kind::kBroken;
    }
    if (bcc && ret_ + skip - columns_ >= fields.size()) {
      why = "no number of a process where the header has one";
      return Kind::kBroken;
    }
    if (bcc && fields[ret_ + skip - columns_] != "0") return Kind::kFailed;
    record = {};
    record.line = number;
    record.argv = arguments(*command);
    record.cut = command->ends_with(" ...");
    if (bcc) record.filename = record.argv.substr(0, record.argv.find('\0'));
    return Kind::kExec;
  }
  [[nodiscard]] std::optional<Writing> writing() const override {
    return known_ ? std::optional(Writing::kBackslash) : std::nullopt;
  }
  static bool is_header(const std::vector<std::string_view>& fields) {
    return fields.size() >= 3 && fields.back() == "ARGS" &&
           std::find(fields.begin(), fields.end(), "PID") != fields.end();
  }

 private:
  static bool is_number(std::string_view text) {
    if (!text.empty() && text.front() == '-') text.remove_prefix(1);
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  }
  static std::string arguments(std::string_view text) {
    if (text.front() == '"') {  // -q
      if (auto quoted = shell_split(text)) return *quoted;
    }
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == 'n') {
        out += '\n';
        ++i;
      } else {
        out += text[i] == ' ' ? '\0' : text[i];
      }
    }
    return out;
  }
  bool known_ = false;
  std::size_t columns_ = 0;
  std::size_t ret_ = 0;
};

class LinesParser : public Parser {
 public:
  Kind parse(std::string_view line, std::size_t number, Record& record, std::string&) override {
    line = without_return(line);
    if (line.find_first_not_of(" \t") == std::string_view::npos) return Kind::kOther;
    record = {};
    record.line = number;
    if (auto words = shell_split(line)) {
      record.argv = std::move(*words);
    } else {
      record.argv = split_blanks(line);
    }
    record.filename = record.argv.substr(0, record.argv.find('\0'));
    return Kind::kExec;
  }
  [[nodiscard]] std::optional<Writing> writing() const override { return Writing::kShell; }
};

}  // namespace

std::unique_ptr<Parser> make_parser(Format format) {
  switch (format) {
    case Format::kPs:
      return std::make_unique<PsParser>();
    case Format::kExecsnoop:
      return std::make_unique<ExecsnoopParser>();
    case Format::kAuditd:
      return make_auditd_parser();
    case Format::kLines:
      return std::make_unique<LinesParser>();
    default:
      return make_json_parser();
  }
}

Result<Format> detect_format(std::string_view beginning) {
  int seen = 0;
  while (!beginning.empty() && seen < 32) {
    const std::size_t end = std::min(beginning.find('\n'), beginning.size());
    const std::string_view line = without_return(beginning.substr(0, end));
    beginning.remove_prefix(std::min(end + 1, beginning.size()));
    const std::vector<std::string_view> fields = fields_of(line.substr(0, 512));
    if (fields.empty()) continue;
    ++seen;
    if (fields[0].front() == '{')
      return line.find("\"detector\"") != std::string_view::npos ? Format::kCryptnono
                                                                 : Format::kUpstream;
    if (line.find("type=") != std::string_view::npos &&
        line.find(" msg=audit(") != std::string_view::npos)
      return Format::kAuditd;
    if (is_ps_header(fields)) return Format::kPs;
    if (ExecsnoopParser::is_header(fields)) return Format::kExecsnoop;
  }
  return fail(
      "neither JSON, nor audit records, nor a header of ps or execsnoop in its first lines: say "
      "which it is with --format (raw command lines are `lines`)",
      ExitCode::kUsage);
}

std::string_view format_name(Format format) {
  static constexpr std::array<std::string_view, 6> kNames{"cryptnono", "upstream", "ps",
                                                          "execsnoop", "auditd",   "lines"};
  return kNames.at(static_cast<std::size_t>(format));
}

}  // namespace cryptnono::replay
