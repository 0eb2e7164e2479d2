#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "replay/record.h"

namespace cryptnono::replay {
namespace {

using std::literals::operator""s;

// What is left of a log: "path|filename|argv" with spaces for NULs, or a word for other lines.
std::vector<std::string> parsed(Format format, const std::vector<std::string>& lines) {
  const auto parser = make_parser(format);
  std::vector<std::string> out;
  Record record;
  std::string why;
  const auto tell = [&](Kind kind) {
    static constexpr const char* kWords[] = {"exec", "other", "failed", "masked", "broken"};
    if (kind != Kind::kExec) return out.push_back(kWords[static_cast<int>(kind)]);
    std::string argv = record.argv;
    for (char& c : argv) c = c == '\0' ? ' ' : c;
    out.push_back(record.path + "|" + record.filename + "|" + argv +
                  (record.running ? "running" : "") + (record.cut ? "cut" : ""));
  };
  std::size_t number = 0;
  for (const std::string& line : lines) tell(parser->parse(line, ++number, record, why));
  for (Kind kind = parser->finish(record, why); kind != Kind::kOther;
       kind = parser->finish(record, why))
    tell(kind);
  return out;
}

using Lines = std::vector<std::string>;

TEST(Formats, our_own_log_and_the_predecessors) {
  EXPECT_EQ(
      parsed(
          Format::kCryptnono,
          {R"({"pid": 7, "cmdline": "/bin/sh -c 'a b'", "source": "execwhacker.bpf", "exe": "/bin/dash"})",
           R"({"cmdline": ["sh", "", "\udcff\u00e9"], "exe": "/bin/sh"})",
           R"({"cmdline": "[r234567abcdefghij] -o x", "action": "killed"})",
           R"({"cmdline": "x [pools:3:5]", "rule": "pools:3:5"})", R"({"action": "ready"})",
           R"({"cmdline": "torn)", "",
           R"({"cmdline": "a 'b c", "truncated": true, "source": "psutil.process_iter"})"}),
      (Lines{"/bin/dash|/bin/sh|/bin/sh -c a b ", "/bin/sh||sh  \xff\xc3\xa9 running", "masked",
             "masked", "other", "broken", "other", "||a 'b crunningcut"}));
}

TEST(Formats, ps) {
  EXPECT_EQ(parsed(Format::kPs, {"COMMAND", "ls  -l"}), (Lines{"other", "||ls  -lrunning"}));
  EXPECT_EQ(
      parsed(Format::kPs,
             {"x", "USER       PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND",
              "root         1  0.0  0.0   2576   904 ?        Ss   21:30   0:00 /sbin/init -x",
              "root 1"}),
      (Lines{"broken", "other", "||/sbin/init -xrunning", "broken"}));
  EXPECT_EQ(parsed(Format::kPs, {"    PID                  STARTED CMD",
                                 "      1 Thu Nov 26 21:30:00 2026 init 1"}),
            (Lines{"other", "||init 1running"}));
}

TEST(Formats, execsnoop) {
  EXPECT_EQ(parsed(Format::kExecsnoop,
                   {"PCOMM            PID     PPID    RET ARGS",
                    "ls               12      11        0 /bin/ls -l a\\nb",
                    "a b              13      11        0 /bin/a", "ls 12 11 -2 /usr/ls"}),
            (Lines{"other", "|/bin/ls|/bin/ls -l a\nb", "|/bin/a|/bin/a", "failed"}));
  EXPECT_EQ(parsed(Format::kExecsnoop,
                   {"Attaching 3 probes...", "TIME(ms)   PID   ARGS", "12         44   ls -l"}),
            (Lines{"other", "other", "||ls -l"}));
  EXPECT_EQ(parsed(Format::kExecsnoop, {"RET ARGS PID ARGS", "0 1 2 3"}).size(),
            2U);  // no such program
}

TEST(Formats, auditd_puts_the_records_of_an_event_together) {
  const std::string at = "msg=audit(1364481363.243:24287): ";
  EXPECT_EQ(
      parsed(Format::kAuditd,
             {"type=SYSCALL " + at +
                  "arch=c000003e syscall=59 success=yes exit=0 a0=1 exe=\"/usr/bin/dash\"",
              "type=EXECVE msg=audit(1364481363.243:24299): argc=1 a0=\"other\"",
              "type=EXECVE " + at + "argc=4 a0=\"sh\" a1=2D63 a2_len=6 a2[0]=6120",
              "type=EXECVE " + at + "a2[1]=\"b\" a3=\"\"", "type=CWD " + at + "cwd=\"/\"",
              "type=PATH " + at + "item=0 name=\"/bin/sh\" inode=1",
              "type=PATH " + at + "item=1 name=\"/lib/ld.so\"", "type=EOE " + at,
              "type=SYSCALL msg=audit(1364481363.243:24300): syscall=59 success=no exe=\"/bin/x\"",
              "no record",
              "type=SYSCALL msg=audit(1364481363.243:24301): syscall=59 success=yes exe=\"/bin/p\"",
              "type=PROCTITLE msg=audit(1364481363.243:24301): proctitle=70006120",
              "type=EXECVE msg=audit(1364481363.243:24302): argc=1 a0=zz"}),
      (Lines{"other", "other", "other", "other", "other", "other", "other",
             "/usr/bin/dash|/bin/sh|sh -c a b  ", "other", "broken", "other", "other", "other",
             "||other ", "failed", "/bin/p||p a ", "broken"}));
}

TEST(Formats, are_told_by_the_beginning_or_refused) {
  const auto told = [](std::string_view text) {
    const auto format = detect_format(text);
    return format ? std::string(format_name(*format)) : "refused";
  };
  EXPECT_EQ(told("{\"action\": \"killed\", \"detector\": \"execwhacker\"}\n"), "cryptnono");
  EXPECT_EQ(told("\n{\"action\": \"observed\"}\r\n"), "upstream");
  EXPECT_EQ(told("    PID TTY          TIME CMD\n"), "ps");
  EXPECT_EQ(told("COMMAND\n/sbin/init\n"), "ps");
  EXPECT_EQ(told("UID          PID    PPID  C STIME TTY          TIME CMD\n"), "ps");
  EXPECT_EQ(told("PCOMM            PID     PPID    RET ARGS\n"), "execsnoop");
  EXPECT_EQ(told("Attaching 3 probes...\nTIME(ms)   PID   ARGS\n"), "execsnoop");
  EXPECT_EQ(told("node=a type=EXECVE msg=audit(1.2:3): argc=0\n"), "auditd");
  EXPECT_EQ(told("ls -l\n"), "refused");
  EXPECT_EQ(told(""), "refused");
}

TEST(ShellSplit, is_that_of_python) {
  EXPECT_EQ(shell_split("a 'b c' \"d\\\"e\\f\" g\\ h ''"), "a\0b c\0d\"e\\f\0g h\0\0"s);
  EXPECT_EQ(shell_split(R"('it'"'"'s')"), "it's\0"s);
  EXPECT_EQ(shell_split("a 'b"), std::nullopt);
  EXPECT_EQ(shell_split("a\\"), std::nullopt);
}

}  // namespace
}  // namespace cryptnono::replay
