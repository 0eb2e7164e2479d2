// parse_yaml: libyaml's events into a DocumentBuilder.
#include <fmt/format.h>
#include <yaml.h>

#include "config/document_builder.h"
#include "config/utf8.h"

namespace cryptnono::config {

namespace {

Position to_position(const yaml_mark_t& mark) {
  return {static_cast<std::uint32_t>(mark.line + 1), static_cast<std::uint32_t>(mark.column + 1)};
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {
    valid_ = yaml_parser_initialize(&parser_) == 1;
    if (!valid_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    // libyaml predates char8_t and string_view; it only reads.
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() {
    if (valid_) yaml_parser_delete(&parser_);
  }

  // False: error() says why. The caller deletes the event.
  [[nodiscard]] bool next(yaml_event_t& event) {
    return valid_ && yaml_parser_parse(&parser_, &event) == 1;
  }

  [[nodiscard]] SyntaxError error() const {
    if (!valid_ || parser_.error == YAML_MEMORY_ERROR) return {{}, "out of memory"};
    if (parser_.error == YAML_READER_ERROR) {
      return {position_of_byte(text_, parser_.problem_offset),
              fmt::format("{} (0x{:02x})", parser_.problem, parser_.problem_value)};
    }
    SyntaxError error{to_position(parser_.problem_mark), parser_.problem};
    if (parser_.context != nullptr) {
      const Position began = to_position(parser_.context_mark);
      error.what +=
          fmt::format(", {} that began at {}:{}", parser_.context, began.line, began.column);
    }
    if (parser_.problem_mark.index < text_.size() && at_tab()) {
      error.what += " (a tab; YAML is indented with blanks only)";
    }
    return error;
  }

 private:
  // Marks count code points, so the line is found again in the text.
  [[nodiscard]] bool at_tab() const {
    std::size_t start = 0;
    for (std::size_t line = 0; line < parser_.problem_mark.line; ++line) {
      start = text_.find('\n', start);
      if (start == std::string_view::npos) return false;
      ++start;
    }
    const std::string_view rest = text_.substr(start);
    const std::size_t first = rest.find_first_not_of(' ');
    return first != std::string_view::npos && rest[first] == '\t';
  }

  std::string_view text_;
  yaml_parser_t parser_{};
  bool valid_ = false;
};

DocumentBuilder::Scalar to_scalar(const yaml_event_t& event) {
  const auto& scalar = event.data.scalar;
  const bool plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
  const bool quotes = scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
                      scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
  const std::string_view text(reinterpret_cast<const char*>(scalar.value), scalar.length);
  // Every escape is longer than what it stands for, so a text as long as its source on one line
  // *is* its source.
  const std::size_t span = event.end_mark.index - event.start_mark.index;
  const bool verbatim = (plain || quotes) && event.start_mark.line == event.end_mark.line &&
                        span == utf8::count(text) + (quotes ? 2 : 0);
  return {.position = to_position(event.start_mark),
          .text = text,
          .style = plain ? Document::Style::kPlain : Document::Style::kString,
          .verbatim = verbatim,
          .in_quotes = quotes};
}

// What is refused although YAML has it. `anchor` and `tag` are libyaml's, null if the value has
// none.
std::optional<SyntaxError> refuse(const yaml_event_t& event, const yaml_char_t* anchor,
                                  const yaml_char_t* tag) {
  if (anchor != nullptr)
    return SyntaxError{to_position(event.start_mark), "anchors are not supported"};
  if (tag != nullptr) return SyntaxError{to_position(event.start_mark), "tags are not supported"};
  return std::nullopt;
}

std::optional<SyntaxError> build(const yaml_event_t& event, DocumentBuilder& builder,
                                 int& documents) {
  const Position position = to_position(event.start_mark);
  bool admitted = true;
  switch (event.type) {
    case YAML_DOCUMENT_START_EVENT:
      if (++documents > 1) return SyntaxError{position, "a second document; a file has one"};
      break;
    case YAML_ALIAS_EVENT:
      return SyntaxError{position, "aliases are not supported (quote a string that begins with *)"};
    case YAML_SCALAR_EVENT:
      if (auto no = refuse(event, event.data.scalar.anchor, event.data.scalar.tag)) return no;
      admitted = builder.add(to_scalar(event));
      break;
    case YAML_SEQUENCE_START_EVENT:
      if (auto no =
              refuse(event, event.data.sequence_start.anchor, event.data.sequence_start.tag)) {
        return no;
      }
      admitted = builder.begin(Document::Kind::kSequence, position);
      break;
    case YAML_MAPPING_START_EVENT:
      if (auto no = refuse(event, event.data.mapping_start.anchor, event.data.mapping_start.tag)) {
        return no;
      }
      admitted = builder.begin(Document::Kind::kMapping, position);
      break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
      builder.end();
      break;
    default:  // start and end of the stream, end of a document
      break;
  }
  if (!admitted) return builder.error();
  return std::nullopt;
}

}  // namespace

std::optional<SyntaxError> parse_yaml(std::string_view text, DocumentBuilder& builder) {
  Parser parser(text);
  int documents = 0;
  for (bool done = false; !done;) {
    yaml_event_t event;
    if (!parser.next(event)) return parser.error();
    std::optional<SyntaxError> refused = build(event, builder, documents);
    done = event.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&event);
    if (refused) return refused;
  }
  return std::nullopt;
}

}  // namespace cryptnono::config
