// Lines of our own log and of the predecessor's: both are JSON objects with a `cmdline`.
#include "replay/json_fields.h"
#include "replay/record.h"

namespace cryptnono::replay {

namespace {

// The id of a rule in brackets, as redaction puts it where a banned string was: "r" and 16 letters
// or digits of base32, or the line's own `rule`.
bool is_masked(std::string_view text, std::string_view rule) {
  if (!rule.empty() && text.find('[' + std::string(rule) + ']') != std::string_view::npos)
    return true;
  for (std::size_t at = text.find("[r"); at != std::string_view::npos;
       at = text.find("[r", at + 1)) {
    const std::string_view id = text.substr(at + 2, 16);
    if (id.size() == 16 &&
        id.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == std::string_view::npos &&
        text.substr(at + 18, 1) == "]")
      return true;
  }
  return false;
}

class JsonParser : public Parser {
 public:
  Kind parse(std::string_view line, std::size_t number, Record& record, std::string& why) override {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return Kind::kOther;
    record = {};
    record.line = number;
    std::string rule;
    std::vector<std::string> command;
    bool known = false;
    bool is_array = false;
    bool scanned = false;
    const bool whole = read_fields(line, [&](JsonField& field) {
      const auto text = [&] {
        return field.strings.empty() ? std::string() : field.strings.front();
      };
      if (field.key == "cmdline") {
        known = field.is_array || !field.strings.empty();
        is_array = field.is_array;
        command = std::move(field.strings);
      } else if (field.key == "exe") {
        record.path = text();
      } else if (field.key == "filename") {
        record.filename = text();
      } else if (field.key == "rule") {
        rule = text();
      } else if (field.key == "truncated" || field.key == "cmdline_bytes") {
        record.cut = true;
      } else if (field.key == "source") {
        scanned = text() == "psutil.process_iter";
      }
    });
    if (!whole) {
      why = "no JSON object on one line";
      return Kind::kBroken;
    }
    if (!known) return Kind::kOther;
    for (const std::string& each : command) {
      if (is_masked(each, rule)) return Kind::kMasked;
    }
    if (is_masked(record.path, rule)) return Kind::kMasked;
    record.running = scanned || (is_array && record.filename.empty());
    if (is_array) {
      for (const std::string& each : command) record.argv.append(each).push_back('\0');
    } else if (auto words = shell_split(command.front())) {
      record.argv = std::move(*words);
    } else {
      record.argv = split_blanks(command.front());  // cut inside of quotes
    }
    // At an exec the log has the file name in the place of the first argument.
    if (!is_array && !scanned && record.filename.empty())
      record.filename = record.argv.substr(0, record.argv.find('\0'));
    return Kind::kExec;
  }

  [[nodiscard]] std::optional<Writing> writing() const override { return Writing::kJson; }
};

}  // namespace

std::unique_ptr<Parser> make_json_parser() { return std::make_unique<JsonParser>(); }

}  // namespace cryptnono::replay
