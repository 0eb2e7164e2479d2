#include "replay/replay.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"

namespace cryptnono::replay {

Verdict RuleSet::judge(const Record& record) const {
  // That an executable is root's alone to write is not in any log; it is believed of a path.
  const detect::ExecLine line{
      .text = {.path = record.path, .filename = record.filename, .argv = record.argv},
      .path_trusted = !record.path.empty()};
  const detect::Judgement judgement =
      record.running ? rules->judge_running(line) : rules->judge(line);
  switch (judgement.verdict) {
    case detect::Judgement::Verdict::kNothing:
      return {};
    case detect::Judgement::Verdict::kSpared:
      return {.what = Verdict::What::kSpared, .rule = judgement.rule};
    default:
      return {.what = !dry_run && kills(rules->action_of(judgement.groups))
                          ? Verdict::What::kDies
                          : Verdict::What::kReported,
              .rule = judgement.rule};
  }
}

void Replayer::take(Kind kind, std::size_t line, const Record& record, const std::string& why) {
  switch (kind) {
    case Kind::kOther:
      return;
    case Kind::kFailed:
      ++counts_.failed;
      return;
    case Kind::kMasked:
      ++counts_.masked;
      return (*complain_)(kind, line, "redacted: what was banned does not stand there any more");
    case Kind::kBroken:
      ++counts_.broken;
      return (*complain_)(kind, line, why);
    case Kind::kExec:
      break;
  }
  ++counts_.execs;
  counts_.cut += record.cut;
  const Verdict now = sets_[0].judge(record);
  const Verdict before = sets_.size() > 1 ? sets_[1].judge(record) : Verdict{};
  if (now.what != Verdict::What::kLives || before.what != Verdict::What::kLives)
    (*sink_)(record, now, before);
}

void Replayer::scan(std::string_view lines, Parser& parser) {
  Record record;
  std::string why;
  std::uint64_t judged_ns = 0;
  const std::uint64_t begin_ns = monotonic_ns();
  const auto parse = [&](std::size_t begin, std::size_t end, std::size_t line) {
    const std::uint64_t since = monotonic_ns();
    ++counts_.parsed;
    const std::size_t number = first_line_ + line + 1;
    const Kind kind = parser.parse(lines.substr(begin, end - begin), number, record, why);
    take(kind, kind == Kind::kExec ? record.line : number, record, why);
    judged_ns += monotonic_ns() - since;
  };
  std::size_t count = 0;
  std::size_t skip = 0;
  // A header must be read before anything can be left out, and the first lines have it.
  while (skip < lines.size() &&
         (options_.exact || filter_.passes_all() || !parser.writing() || !started_)) {
    started_ = true;
    const std::size_t end = std::min(lines.find('\n', skip), lines.size());
    parse(skip, end, count++);
    skip = end + 1;
  }
  if (skip < lines.size()) {
    const std::size_t before = count;
    count += filter_.scan(lines.substr(skip), *parser.writing(),
                          [&](std::size_t begin, std::size_t end, std::size_t line) {
                            parse(skip + begin, skip + end, before + line);
                          });
    if (lines.back() != '\n') ++count;
  }
  first_line_ += count;
  counts_.lines += count;
  counts_.bytes += lines.size();
  counts_.judging_s += static_cast<double>(judged_ns) * 1e-9;
  counts_.filtering_s += static_cast<double>(monotonic_ns() - begin_ns - judged_ns) * 1e-9;
}

Result<Format> Replayer::run(int fd, std::optional<Format> format, const Sink& sink,
                             const Complain& complain) {
  sink_ = &sink;
  complain_ = &complain;
  first_line_ = 0;
  started_ = false;
  std::unique_ptr<Parser> parser;
  std::string buffer(options_.block, '\0');
  std::size_t filled = 0;
  bool skipping = false;  // the rest of a line that is too long
  for (bool ended = false; !ended;) {
    if (buffer.size() - filled < options_.block / 2) buffer.resize(buffer.size() * 2);
    const std::uint64_t since = monotonic_ns();
    const ssize_t got = read(fd, buffer.data() + filled, buffer.size() - filled);
    counts_.reading_s += static_cast<double>(monotonic_ns() - since) * 1e-9;
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail_errno("cannot read the log", errno);
    }
    const std::size_t old = filled;
    filled += static_cast<std::size_t>(got);
    ended = got == 0;
    const void* last = memrchr(buffer.data() + old, '\n', filled - old);
    std::size_t whole =
        last == nullptr
            ? 0
            : static_cast<std::size_t>(static_cast<const char*>(last) - buffer.data()) + 1;
    if (ended) whole = filled;
    if (whole == 0) {
      if (filled <= options_.max_line) continue;
      skipping = true;
      filled = 0;
      continue;
    }
    std::string_view text(buffer.data(), whole);
    if (skipping) {
      const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
      take(Kind::kBroken, first_line_ + 1, {}, "longer than any command line");
      ++first_line_;
      ++counts_.lines;
      text.remove_prefix(end);
      skipping = false;
    }
    if (!parser && !text.empty()) {
      if (!format) format = TRY(detect_format(text.substr(0, std::size_t{1} << 20)));
      parser = make_parser(*format);
    }
    if (!text.empty()) scan(text, *parser);
    std::memmove(buffer.data(), buffer.data() + whole, filled - whole);
    filled -= whole;
  }
  if (parser) {
    Record record;
    std::string why;
    for (Kind kind = parser->finish(record, why); kind != Kind::kOther;
         kind = parser->finish(record, why))
      take(kind, record.line, record, why);
  }
  return format.value_or(Format::kLines);
}

}  // namespace cryptnono::replay
