#include "config/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <tl/expected.hpp>

#include "config/document_builder.h"
#include "config/utf8.h"

namespace cryptnono::config {

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

void report_duplicate_keys(std::string_view file, Document::Value mapping,
                           Diagnostics& diagnostics) {
  std::vector<Document::Value> keys;
  keys.reserve(mapping.size());
  mapping.for_each_entry([&](Document::Value key, Document::Value) { keys.push_back(key); });
  // Stable: equal keys stay in the order of the file, and each is compared with the first of its
  // kind.
  std::stable_sort(keys.begin(), keys.end(),
                   [](const auto& a, const auto& b) { return a.text() < b.text(); });
  for (std::size_t i = 1, first = 0; i < keys.size(); ++i) {
    if (keys[i].text() != keys[first].text()) {
      first = i;
      continue;
    }
    const Position earlier = keys[first].position();
    diagnostics.error(file, keys[i].position(),
                      fmt::format("the key {} is given twice, first at {}:{}",
                                  show_value(keys[i].text()), earlier.line, earlier.column));
  }
}

// No deeper than kMaxDepth, so recursion is bounded.
void check_keys(std::string_view file, Document::Value value, Diagnostics& diagnostics) {
  if (value.kind() == Document::Kind::kSequence) {
    value.for_each_item([&](Document::Value item) { check_keys(file, item, diagnostics); });
  } else if (value.kind() == Document::Kind::kMapping) {
    report_duplicate_keys(file, value, diagnostics);
    value.for_each_entry(
        [&](Document::Value, Document::Value item) { check_keys(file, item, diagnostics); });
  }
}

bool looks_like_json(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

tl::expected<Document, SyntaxError> parse(std::string_view text) {
  std::optional<SyntaxError> json_error;
  if (looks_like_json(text)) {
    DocumentBuilder builder(text.size());
    json_error = parse_json(text, builder);
    if (!json_error) return builder.take();
  }
  // Not JSON, or not quite: {a: b}, a comment or a comma too many are good YAML.
  DocumentBuilder builder(text.size());
  std::optional<SyntaxError> error = parse_yaml(text, builder);
  if (!error) return builder.take();
  return tl::unexpected(json_error ? *std::move(json_error) : *std::move(error));
}

}  // namespace

Position Document::Value::position_of(std::size_t offset) const {
  Position position = this->position();
  if (!node().verbatim) return position;
  const std::size_t columns = utf8::count(text().substr(0, offset)) + (node().in_quotes ? 1 : 0);
  position.column += static_cast<std::uint32_t>(columns);
  return position;
}

std::optional<Document> parse_document(std::string_view file, std::string_view text,
                                       Diagnostics& diagnostics) {
  if (text.size() > kMaxDocumentBytes) {
    diagnostics.error(file, {}, fmt::format("larger than {} MiB", kMaxDocumentBytes >> 20));
    return std::nullopt;
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (const std::size_t at = utf8::find_invalid(text); at != std::string_view::npos) {
    diagnostics.error(
        file, position_of_byte(text, at),
        fmt::format("not UTF-8 (byte 0x{:02x})", static_cast<unsigned char>(text[at])));
    return std::nullopt;
  }
  // The JSON parser would take it for the end of the file and never see what follows.
  if (const std::size_t at = text.find('\0'); at != std::string_view::npos) {
    diagnostics.error(file, position_of_byte(text, at), "a NUL byte; is this a text file?");
    return std::nullopt;
  }
  tl::expected<Document, SyntaxError> document = parse(text);
  if (!document) {
    diagnostics.error(file, document.error().position, document.error().what);
    return std::nullopt;
  }
  if (const auto root = document->root()) check_keys(file, *root, diagnostics);
  return *std::move(document);
}

bool DocumentBuilder::admit(bool scalar, Position position) {
  if (document_.nodes_.size() == kMaxDocumentValues) {
    error_ = {position, fmt::format("more than {} values", kMaxDocumentValues)};
    return false;
  }
  if (open_.empty()) return true;
  Open& parent = open_.back();
  Document::Node& node = document_.nodes_[parent.index];
  if (node.kind == Document::Kind::kSequence) {
    ++node.size;
    return true;
  }
  if (parent.key_next) {
    if (!scalar) {
      error_ = {position, "a list or a mapping cannot be a key"};
      return false;
    }
    ++node.size;
  }
  parent.key_next = !parent.key_next;
  return true;
}

bool DocumentBuilder::add(const Scalar& scalar) {
  if (!admit(true, scalar.position)) return false;
  document_.nodes_.push_back({.line = scalar.position.line,
                              .column = scalar.position.column,
                              .begin = static_cast<std::uint32_t>(document_.text_.size()),
                              .size = static_cast<std::uint32_t>(scalar.text.size()),
                              .kind = Document::Kind::kScalar,
                              .style = scalar.style,
                              .verbatim = scalar.verbatim,
                              .in_quotes = scalar.in_quotes});
  document_.text_ += scalar.text;
  return true;
}

bool DocumentBuilder::begin(Document::Kind kind, Position position) {
  if (!admit(false, position)) return false;
  if (open_.size() == kMaxDepth) {
    error_ = {position, fmt::format("nested deeper than {} levels", kMaxDepth)};
    return false;
  }
  open_.push_back(
      {static_cast<std::uint32_t>(document_.nodes_.size()), kind == Document::Kind::kMapping});
  document_.nodes_.push_back({.line = position.line, .column = position.column, .kind = kind});
  return true;
}

void DocumentBuilder::end() {
  document_.nodes_[open_.back().index].begin = static_cast<std::uint32_t>(document_.nodes_.size());
  open_.pop_back();
}

Document DocumentBuilder::take() { return std::move(document_); }

Position position_of_byte(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0: the first line
  return {static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n') + 1),
          static_cast<std::uint32_t>(utf8::count(before.substr(line_start)) + 1)};
}

}  // namespace cryptnono::config
