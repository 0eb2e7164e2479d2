// AllowList: what spares a banned command line. Pure; immutable after building, any number of
// threads may ask.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/rule_id.h"
#include "config/types.h"

namespace re2 {
class RE2;
}

namespace cryptnono::detect {

class AllowList {
 public:
  // Compiles the patterns of all groups, in order. The loader has checked them already, so an error
  // here is a defect, but it is reported like one of the configuration.
  static Result<AllowList> build(const std::vector<config::RuleGroup>& groups);
  AllowList(AllowList&&) noexcept;
  AllowList& operator=(AllowList&&) noexcept;
  ~AllowList();

  // Strings of which at least one stands in every command line that some pattern matches, each of
  // kMinSubstringLength bytes or more, lower case. They stand in the raw arguments as they do in
  // the quoted line, because they hold only characters that quoting leaves alone.
  [[nodiscard]] const std::vector<std::string>& literals() const { return literals_; }
  // Some pattern can match without any literal: then every banned command line must be judged here.
  [[nodiscard]] bool needs_no_literal() const { return needs_no_literal_; }
  // Paths of the allowed executables.
  [[nodiscard]] const std::vector<std::string>& paths() const { return paths_; }
  [[nodiscard]] std::size_t patterns() const { return patterns_.size(); }
  [[nodiscard]] std::size_t executables() const { return executables_.size(); }

  // What is asked: the shell-quoted command line, and the executable's path if it may be trusted
  // (else empty).
  struct Question {
    std::string_view quoted_line;
    std::string_view trusted_path;
  };
  // Which of the patterns and executables spares it, as a number for the two below; nothing if none
  // does.
  [[nodiscard]] std::optional<std::uint32_t> find(const Question& question) const;
  // The reason for sparing, as logged: "allowed-pattern:ID" or "allowed-executable:ID", with the id
  // of the rule (config/rule_id.h).
  [[nodiscard]] std::string reason(std::uint32_t rule) const;
  // The same with what is secret: "allowed-pattern:REGEX" (RE2's) or "allowed-executable:PATH".
  [[nodiscard]] std::string revealed_reason(std::uint32_t rule) const;
  // find(), and its reason().
  [[nodiscard]] std::optional<std::string> spares(const Question& question) const;

 private:
  // Whose rule it is, for its id.
  struct Source {
    std::size_t group = 0;
    config::Origin origin;
  };
  struct Pattern {
    std::unique_ptr<re2::RE2> compiled;
    std::string written;  // as in the file; "": as compiled
    Source source;
  };
  struct Executable {
    std::string path;
    std::unique_ptr<re2::RE2> pattern;  // may be null
    Source source;
  };
  struct Group {
    std::string name;
    std::string id_key;
  };
  AllowList();
  Result<void> add_pattern(const std::string& text, std::string written, Source source);
  [[nodiscard]] std::string id_of(const Source& source, config::RuleKind kind,
                                  std::string_view text) const;

  std::vector<Group> groups_;
  std::vector<Pattern> patterns_;
  std::vector<Executable> executables_;
  std::vector<std::string> literals_;
  std::vector<std::string> paths_;
  bool needs_no_literal_ = false;
};

}  // namespace cryptnono::detect
