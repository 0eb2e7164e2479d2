#include "match/matcher.h"

#include <algorithm>

#include "match/engine.h"

namespace cryptnono::match {

namespace {

// One machine over a text that comes in pieces.
class Pass {
 public:
  Pass(std::span<const std::byte> tables, std::uint32_t root, std::size_t chunk)
      : root_(root), chunk_(std::min<std::size_t>(chunk, MATCH_CHUNK)) {
    view_.tables = const_cast<std::byte*>(tables.data());  // match_page only hands out what is read
    view_.header = reinterpret_cast<const match_header*>(tables.data());
    run_.rule = MATCH_NO_RULE;
    filter_ = static_cast<const std::uint8_t*>(match_page(&view_, view_.header->gram_page));
  }

  void begin(std::uint32_t accept) { match_begin_text(&view_, &run_, accept, root_); }

  void feed(std::string_view text, bool final) {
    do {
      const std::size_t size = std::min(text.size(), chunk_);
      view_.text = reinterpret_cast<const __u8*>(text.data());
      run_.len = static_cast<std::uint32_t>(size);
      run_.pos = 0;
      text.remove_prefix(size);
      run_.final = final && text.empty();
      if (root_ == MATCH_ROOT_WORDS) {
        while (match_words_step(&view_, &run_) == 0) {
        }
      } else {
        while (match_substrings_step(&view_, &run_, filter_) == 0) {
        }
      }
    } while (!text.empty());
  }

  void add_to(Hit& hit) const {
    hit.groups |= run_.groups;
    hit.flags |= run_.flags;
    if (hit.rule == MATCH_NO_RULE) hit.rule = run_.rule;
  }

 private:
  match_view view_ = {};
  match_run run_ = {};
  std::uint32_t root_;
  std::size_t chunk_;
  const std::uint8_t* filter_;
};

constexpr std::uint32_t kAcceptLine = MATCH_OUT_BANNED | MATCH_OUT_ALLOW_LITERAL;

std::string_view without_last_nul(std::string_view argv) {
  if (!argv.empty() && argv.back() == '\0') argv.remove_suffix(1);
  return argv;
}

template <typename Feed>
Hit match_both(std::span<const std::byte> tables, std::size_t chunk, Feed feed) {
  Hit hit;
  const auto* header = reinterpret_cast<const match_header*>(tables.data());
  for (const std::uint32_t root : {MATCH_ROOT_WORDS, MATCH_ROOT_SUBSTRINGS}) {
    if ((header->flags & (root == MATCH_ROOT_WORDS ? MATCH_HAS_WORDS : MATCH_HAS_SUBSTRINGS)) ==
        0) {
      continue;
    }
    Pass pass(tables, root, chunk);
    feed(pass);
    pass.add_to(hit);
  }
  return hit;
}

}  // namespace

Hit Matcher::match(const CommandLine& line, std::size_t chunk) const {
  const std::string_view argv = without_last_nul(line.argv);
  const std::size_t first_end = argv.find('\0');
  return match_both(tables_, chunk, [&](Pass& pass) {
    pass.begin(kAcceptLine | MATCH_OUT_ALLOW_PATH);
    pass.feed(line.path, true);
    pass.begin(kAcceptLine);
    if (first_end == std::string_view::npos) {
      pass.feed(line.filename, true);
    } else {
      // What spans the file name and the arguments ends within the longest rule's length, and one
      // more byte tells whether a word ends there. What lies wholly in the arguments is found
      // below.
      const std::string_view rest = argv.substr(first_end);
      const std::size_t reach = std::size_t{header().max_length} + 1;
      pass.feed(line.filename, false);
      pass.feed(rest.substr(0, reach), rest.size() <= reach);
    }
    pass.begin(kAcceptLine);
    pass.feed(argv, true);
  });
}

Hit Matcher::match_text(std::string_view text, std::size_t chunk) const {
  return match_both(tables_, chunk, [&](Pass& pass) {
    pass.begin(kAcceptLine | MATCH_OUT_ALLOW_PATH);
    pass.feed(text, true);
  });
}

}  // namespace cryptnono::match
