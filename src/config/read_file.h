// Files of rules as text: as they are, or opened if they are sealed.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "seal/identities.h"
#include "seal/secret.h"

namespace cryptnono::config {

// The text of one file; that of a sealed one in locked memory, which is wiped.
class FileText {
 public:
  explicit FileText(std::string plain) : plain_(std::move(plain)) {}
  explicit FileText(seal::Secret opened) : opened_(std::move(opened)), sealed_(true) {}
  [[nodiscard]] bool sealed() const { return sealed_; }
  [[nodiscard]] std::string_view view() const { return sealed_ ? opened_.view() : plain_; }
  operator std::string_view() const { return view(); }  // NOLINT(*-explicit-*): it is a text

 private:
  std::string plain_;
  seal::Secret opened_;
  bool sealed_ = false;
};

// Reads one file for those who read the configuration.
using ReadFile = std::function<Result<FileText>(const std::string& path)>;

// All of `path`, opened by `identities` if it is sealed. An error says what is wrong with the file,
// without its name; a text of more than kMaxDocumentBytes is one.
[[nodiscard]] Result<FileText> read_file(const std::string& path,
                                         const seal::Identities& identities);

}  // namespace cryptnono::config
