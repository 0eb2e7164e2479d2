// libFuzzer target: configuration files and allowed patterns are the texts that the daemon parses,
// as root, from outside of its own image. Beyond the sanitizers it checks what the two promise
// about any text.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "config/load.h"
#include "config/python_regex.h"
#include "config/utf8.h"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

void check_load(std::string_view text) {
  namespace config = cryptnono::config;
  const config::LoadResult result = config::load_text("fuzz", text);
  const auto& diagnostics = result ? result->warnings : result.error();
  require(diagnostics.size() <= config::kMaxDiagnostics + 1, "at most 100 messages and their rest");
  for (const config::Diagnostic& diagnostic : diagnostics) {
    const std::string line = config::to_string(diagnostic);
    require(config::utf8::find_invalid(line) == std::string_view::npos, "messages are UTF-8");
    require(line.find('\n') == std::string::npos, "a message is one line");
  }
  if (!result) {
    require(!result.error().empty(), "a failure says why");
    return;
  }
  for (const config::RuleGroup& group : result->config.execwhacker.groups) {
    for (const config::RuleText& rule : group.banned_strings) {
      require(!rule.text.empty() && rule.text.size() <= config::kMaxRuleLength, "rule length");
      require(rule.text.find('\0') == std::string::npos, "no NUL in a rule");
      require(rule.origin.line > 0 && rule.origin.column > 0, "rules have an origin");
    }
    for (const config::RuleText& rule : group.banned_substrings) {
      require(rule.text.size() >= config::kMinSubstringLength, "substring length");
    }
  }
}

void check_pattern(std::string_view pattern) {
  namespace config = cryptnono::config;
  const auto translated = config::translate_python_regex(pattern);
  if (!translated) {
    require(translated.error().offset <= pattern.size(), "an error is inside of the pattern");
    require(!translated.error().what.empty(), "an error says what");
    return;
  }
  const re2::RE2 compiled(*translated, config::allowed_pattern_options());
  if (compiled.ok()) return;
  // What is left to RE2 is how much there is of it, never how it is written.
  const auto code = compiled.error_code();
  require(code == re2::RE2::ErrorPatternTooLarge || code == re2::RE2::ErrorRepeatSize,
          "a translation is RE2 syntax");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_load(text);
  if (size <= 4096) check_pattern(text);
  return 0;
}
