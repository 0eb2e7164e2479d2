// Document: the values of one YAML or JSON file, each with its place, before anything is known
// about their meaning.
//
// The files are mostly one long list of strings, so a value is 20 bytes in one array, in the order
// of the text, and all scalars stand in one string. Nothing is allocated per value. Accepted is a
// subset of YAML 1.1 with which a file means what it looks like: one document, no anchors, aliases
// or tags, scalars as keys, no key twice, at most kMaxDepth levels. A text that begins with '{' is
// read as JSON if it is JSON. docs/adr/0002 has the reasons.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"

namespace cryptnono::config {

inline constexpr std::size_t kMaxDocumentBytes = std::size_t{64} << 20;
inline constexpr std::size_t kMaxDepth = 32;
// Scalars, lists and mappings in one file: 40 MiB of nodes. Two bytes of text can be a value, so
// the size of the text alone bounds too little.
inline constexpr std::size_t kMaxDocumentValues = std::size_t{1} << 21;

class Document {
 public:
  enum class Kind : std::uint8_t { kScalar, kSequence, kMapping };

  // How a scalar was written.
  enum class Style : std::uint8_t {
    kPlain,        // YAML without quotes: null, true, 12 or a string; who reads it decides
    kString,       // in quotes, or a YAML block: always a string
    kJsonLiteral,  // null, true, false or a number in JSON: never a string
  };

 private:
  struct Node {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::uint32_t begin = 0;  // scalar: where its text begins in text_; otherwise: index of the
                              // node after the last one inside
    std::uint32_t size = 0;   // scalar: bytes of text; otherwise: items or keys
    Kind kind = Kind::kScalar;
    Style style = Style::kPlain;
    bool verbatim = false;  // scalar: text_ and the file agree byte for byte
    bool in_quotes = false;
  };
  static_assert(sizeof(Node) == 20);

 public:
  // A value inside a Document, which must outlive it and stay where it is. Cheap to copy.
  class Value {
   public:
    [[nodiscard]] Kind kind() const { return node().kind; }
    [[nodiscard]] Position position() const { return {node().line, node().column}; }

    // Of a scalar only: its text after escapes, UTF-8, possibly with NUL in it; and how it was
    // written.
    [[nodiscard]] std::string_view text() const {
      return std::string_view(document_->text_).substr(node().begin, node().size);
    }
    [[nodiscard]] Style style() const { return node().style; }

    // Of a scalar only: where the byte at `offset` of text() stands in the file. If the text does
    // not stand there as it is (escapes, several lines), where the scalar begins.
    [[nodiscard]] Position position_of(std::size_t offset) const;

    // Of a sequence or a mapping only: how many items or keys, and each of them in the order of the
    // file.
    [[nodiscard]] std::size_t size() const { return node().size; }
    template <typename Function>  // void(Value item)
    void for_each_item(Function&& function) const {
      for (std::uint32_t i = index_ + 1; i < node().begin; i = document_->next(i)) {
        function(Value(document_, i));
      }
    }
    template <typename Function>  // void(Value key, Value value); the key is a scalar
    void for_each_entry(Function&& function) const {
      for (std::uint32_t i = index_ + 1; i < node().begin; i = document_->next(i + 1)) {
        function(Value(document_, i), Value(document_, i + 1));
      }
    }

   private:
    friend class Document;
    Value(const Document* document, std::uint32_t index) : document_(document), index_(index) {}
    [[nodiscard]] const Node& node() const { return document_->nodes_[index_]; }

    const Document* document_;
    std::uint32_t index_;
  };

  Document() = default;
  Document(Document&&) = default;
  Document& operator=(Document&&) = default;
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;
  // The scalars of a sealed file are a copy of what it hides: zeroed.
  ~Document() { explicit_bzero(text_.data(), text_.size()); }

  // The outermost value; none if the file has nothing but blanks and comments.
  [[nodiscard]] std::optional<Value> root() const {
    if (nodes_.empty()) return std::nullopt;
    return Value(this, 0);
  }

 private:
  friend class DocumentBuilder;

  [[nodiscard]] std::uint32_t next(std::uint32_t index) const {
    const Node& node = nodes_[index];
    return node.kind == Kind::kScalar ? index + 1 : node.begin;
  }

  // A container stands before what is in it; in a mapping keys and values take turns.
  std::vector<Node> nodes_;
  std::string text_;
};

// Reads `text`. Reports what is wrong with it under the name `file`: the first violation of the
// grammar, or else every duplicate key. Returns nothing if there is no tree to go on with. Does not
// keep `text`.
[[nodiscard]] std::optional<Document> parse_document(std::string_view file, std::string_view text,
                                                     Diagnostics& diagnostics);

}  // namespace cryptnono::config
