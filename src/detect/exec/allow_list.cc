#include "detect/exec/allow_list.h"

#include <re2/filtered_re2.h>
#include <re2/re2.h>

#include "config/python_regex.h"

namespace cryptnono::detect {

namespace {

Result<std::unique_ptr<RE2>> compile(const std::string& text) {
  auto pattern = std::make_unique<RE2>(text, config::allowed_pattern_options());
  if (!pattern->ok()) return fail("allowed pattern: " + pattern->error(), ExitCode::kConfig);
  return pattern;
}

bool matches(const RE2& pattern, std::string_view line) {
  return pattern.Match({line.data(), line.size()}, 0, line.size(), RE2::ANCHOR_START, nullptr, 0);
}

// Shell quoting leaves these characters alone, and never puts two runs of them together that were
// apart.
bool survives_quoting(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
}

std::string longest_surviving_run(const std::string& atom) {
  std::string best;
  std::string run;
  for (const char c : atom) {
    if (survives_quoting(c)) {
      run += c;
    } else {
      run.clear();
    }
    if (run.size() > best.size()) best = run;
  }
  return best;
}

}  // namespace

AllowList::AllowList() = default;
AllowList::AllowList(AllowList&&) noexcept = default;
AllowList& AllowList::operator=(AllowList&&) noexcept = default;
AllowList::~AllowList() = default;

Result<AllowList> AllowList::build(const std::vector<config::RuleGroup>& groups) {
  AllowList self;
  for (const config::RuleGroup& group : groups) {
    const std::size_t index = self.groups_.size();
    self.groups_.push_back({group.name, group.id_key});
    for (std::size_t i = 0; i < group.allowed_patterns.size(); ++i) {
      const config::RuleText& pattern = group.allowed_patterns[i];
      std::string written =
          i < group.written_patterns.size() ? group.written_patterns[i] : std::string();
      if (written == pattern.text) written.clear();
      TRY(self.add_pattern(pattern.text, std::move(written), {index, pattern.origin}));
    }
    for (const config::AllowedExecutable& executable : group.allowed_executables) {
      Executable entry{
          .path = executable.path, .pattern = nullptr, .source = {index, executable.origin}};
      if (executable.pattern) entry.pattern = TRY(compile(*executable.pattern));
      self.paths_.push_back(executable.path);
      self.executables_.push_back(std::move(entry));
    }
  }
  return self;
}

// FilteredRE2 turns a pattern into a formula of "and" and "or" over literals ("atoms") that holds
// whenever the pattern matches. Such a formula has no "not", so if it is true some atom is there;
// an atom that quoting could tear apart may be left out if the formula is false with all of those
// and nothing else.
Result<void> AllowList::add_pattern(const std::string& text, std::string written, Source source) {
  patterns_.push_back(
      {.compiled = TRY(compile(text)), .written = std::move(written), .source = source});
  re2::FilteredRE2 filter(static_cast<int>(config::kMinSubstringLength));
  int id = 0;
  std::vector<std::string> atoms;
  if (filter.Add(text, config::allowed_pattern_options(), &id) != RE2::NoError) {
    return fail("allowed pattern: cannot be analysed", ExitCode::kConfig);
  }
  filter.Compile(&atoms);
  std::vector<int> unusable;
  for (std::size_t i = 0; i < atoms.size(); ++i) {
    std::string run = longest_surviving_run(atoms[i]);
    if (run.size() < config::kMinSubstringLength) {
      unusable.push_back(static_cast<int>(i));
    } else {
      literals_.push_back(std::move(run));
    }
  }
  std::vector<int> possible;
  filter.AllPotentials(unusable, &possible);
  needs_no_literal_ = needs_no_literal_ || !possible.empty();
  return {};
}

std::optional<std::uint32_t> AllowList::find(const Question& question) const {
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    if (matches(*patterns_[i].compiled, question.quoted_line)) return static_cast<std::uint32_t>(i);
  }
  for (std::size_t i = 0; i < executables_.size(); ++i) {
    const Executable& executable = executables_[i];
    if (question.trusted_path.empty() || executable.path != question.trusted_path) continue;
    if (executable.pattern == nullptr || matches(*executable.pattern, question.quoted_line))
      return static_cast<std::uint32_t>(patterns_.size() + i);
  }
  return std::nullopt;
}

std::string AllowList::id_of(const Source& source, config::RuleKind kind,
                             std::string_view text) const {
  const Group& group = groups_[source.group];
  return config::rule_id(group.id_key, kind, text, group.name, source.origin);
}

std::string AllowList::reason(std::uint32_t rule) const {
  if (rule < patterns_.size()) {
    const Pattern& pattern = patterns_[rule];
    return "allowed-pattern:" +
           id_of(pattern.source, config::RuleKind::kAllowPattern,
                 pattern.written.empty() ? pattern.compiled->pattern() : pattern.written);
  }
  const Executable& executable = executables_.at(rule - patterns_.size());
  return "allowed-executable:" +
         id_of(executable.source, config::RuleKind::kAllowExecutable, executable.path);
}

std::string AllowList::revealed_reason(std::uint32_t rule) const {
  if (rule < patterns_.size()) return "allowed-pattern:" + patterns_[rule].compiled->pattern();
  return "allowed-executable:" + executables_.at(rule - patterns_.size()).path;
}

std::optional<std::string> AllowList::spares(const Question& question) const {
  const auto rule = find(question);
  if (!rule) return std::nullopt;
  return reason(*rule);
}

}  // namespace cryptnono::detect
