#include "detect/exec/exec_scan.h"

#include <string_view>

namespace cryptnono::detect {

namespace {
// Each pins about 1 KiB in the kernel; the daemon raises its limit of open files to twice as many.
constexpr std::size_t kMaxOpenFiles = 4096;
}  // namespace

std::size_t ExecScan::run(const std::shared_ptr<const ExecRules>& rules) {
  ++scan_;
  std::size_t checked = 0;
  std::unordered_map<pid_t, Told> still;
  const match::Matcher matcher(rules->tables());
  for (const pid_t pid : reader_.pids()) {
    if (!read(pid)) continue;
    if (cmdline_.empty() && !read_without_main_thread(pid)) continue;
    ++checked;
    const match::Hit hit = matcher.match({.path = {}, .filename = {}, .argv = cmdline_});
    if (!hit.banned()) continue;
    Told told = told_[pid];
    if (tell(pid, rules, told)) still.emplace(pid, told);
  }
  told_ = std::move(still);
  close_files_of_the_gone();
  return checked;
}

bool ExecScan::read(pid_t pid) {
  const auto known = files_.find(pid);
  if (known != files_.end()) {
    known->second.last_scan = scan_;
    if (proc::ProcReader::read_cmdline_again(known->second.fd.get(), cmdline_)) return true;
    files_.erase(known);  // that process is gone; the pid may be another's
  }
  Fd file = reader_.open_cmdline(pid);
  if (!file || !proc::ProcReader::read_cmdline_again(file.get(), cmdline_)) return false;
  if (files_.size() < kMaxOpenFiles) {
    files_.emplace(pid, OpenFile{.fd = std::move(file), .last_scan = scan_});
  }
  return true;
}

void ExecScan::close_files_of_the_gone() {
  std::erase_if(files_, [this](const auto& entry) { return entry.second.last_scan != scan_; });
}

// An empty command line is that of a kernel thread, of a zombie, or of a process whose main thread
// has ended while others run on. Kernel threads are many and stay what they are, so they are
// remembered; a pid that is reused shows its own command line.
bool ExecScan::read_without_main_thread(pid_t pid) {
  constexpr std::uint32_t kKernelThread = 0x00200000;  // PF_KTHREAD, include/linux/sched.h
  if (kernel_threads_.contains(pid)) return false;
  const auto stat = reader_.read_stat(pid);
  if (stat && (stat->flags & kKernelThread) != 0) {
    kernel_threads_.insert(pid);
    return false;
  }
  return reader_.read_thread_cmdline(pid, cmdline_);
}

bool ExecScan::tell(pid_t pid, const std::shared_ptr<const ExecRules>& rules, Told& told) {
  const auto stat = reader_.read_stat(pid);
  if (!stat) return false;
  const std::size_t hash = std::hash<std::string_view>()(cmdline_);
  if (told.start_ticks == stat->start_ticks && told.cmdline_hash == hash &&
      told.generation == rules->generation()) {
    return true;
  }
  Finding finding;
  finding.source = Source::kScan;
  if (!read_subject(reader_, pid, locate_, finding)) return false;
  finding.argv = cmdline_;  // what was matched
  finding.argv_bytes = cmdline_.size();
  finding.rules = rules;
  const ExecLine line{.text = {.path = finding.path, .filename = {}, .argv = finding.argv},
                      .path_trusted = reader_.executable_trusted(pid)};
  finding.judgement = rules->judge_running(line);
  if (finding.judgement.verdict == Judgement::Verdict::kNothing) return false;
  finding.kind = finding.judgement.verdict == Judgement::Verdict::kSpared ? Finding::Kind::kSpared
                                                                          : Finding::Kind::kBanned;
  finding.still_holds = [pid, rules] {
    std::string now;
    const proc::ProcReader reader;
    return ((reader.read_cmdline(pid, now) && !now.empty()) ||
            reader.read_thread_cmdline(pid, now)) &&
           rules->judge({.text = {.path = {}, .filename = {}, .argv = now}, .path_trusted = false})
                   .verdict == Judgement::Verdict::kBanned;
  };
  told = {
      .start_ticks = stat->start_ticks, .cmdline_hash = hash, .generation = rules->generation()};
  return sink_(finding);
}

}  // namespace cryptnono::detect
