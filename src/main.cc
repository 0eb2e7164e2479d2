#include <malloc.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>

#include "app/daemon.h"
#include "base/process_secrecy.h"
#include "canary/acts.h"
#include "commands/check.h"
#include "commands/demo.h"
#include "commands/describe.h"
#include "commands/doctor.h"
#include "commands/doctor_programs.h"
#include "commands/execwhacker_flags.h"
#include "commands/expect_kill.h"
#include "commands/explain.h"
#include "commands/explain_connect.h"
#include "commands/explain_pid.h"
#include "commands/explain_rule.h"
#include "commands/flowkiller_flags.h"
#include "commands/inputs.h"
#include "commands/release.h"
#include "commands/rules.h"
#include "commands/status_command.h"
#include "container/cgroup_namespace.h"
#include "kernel/skeleton.h"
#include "proc/cgroup_view.h"
#include "seal/identities.h"

namespace {

using cryptnono::ExitCode;

// Scans keep a descriptor for each process (detect/exec/exec_scan.h).
void raise_open_files() {
  constexpr rlim_t kWanted = 8192;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kWanted) return;
  limit.rlim_cur = std::min(limit.rlim_max, kWanted);
  setrlimit(RLIMIT_NOFILE, &limit);
}

int run_daemon(cryptnono::app::RunOptions options) {
  raise_open_files();
  const cryptnono::Result<void> result = cryptnono::app::Daemon(std::move(options)).run();
  if (result) return static_cast<int>(ExitCode::kOk);
  std::cerr << result.error().message << '\n';
  return static_cast<int>(result.error().code);
}

}  // namespace

int main(int argc, char** argv) {
  // Large blocks, which rules are, go back to the system when they are freed; glibc would raise
  // this bound by itself.
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);  // NOLINT(concurrency-mt-unsafe): no other thread yet
  cryptnono::kernel::set_libbpf_sink(nullptr);
  CLI::App cli{"Finds cryptominers on this machine and stops them"};
  cli.set_version_flag("--version", CRYPTNONO_VERSION);
  cli.require_subcommand(1);
  cryptnono::commands::Inputs inputs;

  cryptnono::app::RunOptions options;
  const std::map<std::string, cryptnono::config::LogLevel> levels{
      {"debug", cryptnono::config::LogLevel::kDebug},
      {"info", cryptnono::config::LogLevel::kInfo},
      {"warning", cryptnono::config::LogLevel::kWarning},
      {"error", cryptnono::config::LogLevel::kError}};
  CLI::App* run = cli.add_subcommand("run", "Run the daemon");
  inputs.add_files_to(*run);
  inputs.add_reveal_to(*run);
  run->add_option("--scope", options.scopes,
                  "Only processes in this cgroup directory; may be given several times")
      ->allow_extra_args(false);
  run->add_flag("--dry-run", options.dry_run, "Kill nothing, report everything");
  run->add_option("--metrics-listen", options.metrics_listen, "ADDRESS:PORT to serve metrics on")
      ->allow_extra_args(false);
  run->add_option("--control-socket", options.control_socket,
                  "Where `cryptnono status` asks; empty: nowhere");
  run->add_option("--scan-interval", options.scan_interval_s,
                  "Seconds between scans of all processes, 0: only at start")
      ->check(CLI::NonNegativeNumber);
  run->add_option("--canary-interval", options.canary_interval_s,
                  "Seconds between proofs that each detector still kills, 0: none")
      ->check(CLI::NonNegativeNumber);
  run->add_option("--pins", options.pins,
                  "Directory in a BPF file system where enforcement outlives the daemon; empty: it "
                  "ends with it");
  run->add_flag("--release", options.release,
                "Instead: remove what daemons that are gone have left in force there");
  run->add_option("--log-level", options.log_level, "debug, info, warning or error")
      ->type_name("LEVEL")
      ->transform(CLI::CheckedTransformer(levels).description("{debug,info,warning,error}"));

  cryptnono::commands::FlowkillerFlags flowkiller;
  flowkiller.add_to(*run, inputs.files);
  cryptnono::commands::add_execwhacker_flags(*run, options);

  CLI::App* check =
      cli.add_subcommand("check", "Say everything that is wrong with configuration files");
  inputs.add_files_to(*check);

  std::vector<std::string> command_line;
  std::string executable;
  CLI::App* explain = cli.add_subcommand(
      "explain", "Say what would kill or spare a command line, a connect or a process");
  inputs.add_files_to(*explain);
  inputs.add_reveal_to(*explain);
  explain->add_option("--executable", executable,
                      "The file that is executed, if it is not the first word");
  std::vector<std::string> connects;
  explain
      ->add_option(
          "--connect", connects,
          "Instead of a command line: ADDRESS:PORT or [ADDRESS]:PORT; may be given several "
          "times")
      ->allow_extra_args(false);
  CLI::Option* argv_option =
      explain->add_option("ARGV", command_line, "The command line, after --");
  std::optional<pid_t> pid;
  explain->add_option("--pid", pid, "Instead of a command line: a process that runs")
      ->excludes("--connect", "--executable")
      ->excludes(argv_option);
  std::string rule_id;
  CLI::Option* rule_option =
      explain
          ->add_option("--rule", rule_id,
                       "Instead of a command line: the id of a rule, as log lines have it")
          ->excludes("--connect", "--executable", "--pid")
          ->excludes(argv_option);

  cryptnono::commands::StatusCommand status_command;
  status_command.socket = cryptnono::config::kDefaultControlSocket;
  CLI::App* status = cli.add_subcommand("status", "Ask the daemon how it is");
  status->add_option("--socket", status_command.socket, "The daemon's control.socket")
      ->capture_default_str();
  status->add_flag("--json", status_command.json, "As JSON (docs/status.md)");
  CLI::Option* alive = status->add_flag(
      "--alive", status_command.alive,
      "Only whether its main loop answers, for probes; exits with 0 even if it is not ready");
  CLI::Option* watch =
      status
          ->add_option("--watch", status_command.watch_s,
                       "Again and again, so many seconds apart; 2 if none are given")
          ->expected(0, 1)
          ->check(CLI::Range(0.1, 3600.0));
  alive->excludes("--json")->excludes(watch);

  const std::vector<cryptnono::commands::Subcommand> rules_commands =
      cryptnono::commands::add_rules_commands(cli);

  CLI::App* doctor =
      cli.add_subcommand("doctor", "Say what this kernel and these privileges allow");
  cryptnono::commands::DoctorPrograms doctor_programs;
  CLI::Option* programs_flag = doctor->add_flag(
      "--programs", doctor_programs.wanted,
      "Instead: what the kernel's verifier says of each BPF program, and its sizes");
  doctor->add_flag("--json", doctor_programs.json, "The programs as JSON")->needs(programs_flag);
  doctor
      ->add_option("--object", doctor_programs.objects,
                   "Instead of its own programs: those of a BPF object file; may be given several "
                   "times")
      ->allow_extra_args(false)
      ->needs(programs_flag);
  // Not for users: what the daemon runs to prove itself.
  std::vector<std::string> canary_act;
  CLI::App* canary = cli.add_subcommand("canary", "")->group("");
  canary->add_option("ACT", canary_act);
  // Nor this: what man pages and completion are made from.
  const CLI::App* describe = cli.add_subcommand("describe", "")->group("");
  // Nor this: what `helm test` runs.
  cryptnono::commands::ExpectKill expected;
  CLI::App* expect_kill = cli.add_subcommand("expect-kill", "")->group("");
  expect_kill->add_option("--timeout", expected.timeout_s);
  expect_kill->add_option("--victim", expected.victim);
  CLI::App* demo = cli.add_subcommand("demo", "Show the main job in a sandbox cgroup");
  std::string victims;
  demo->add_option("--victims", victims, "The folder of the programs that show RandomX");
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli.exit(error) == 0 ? static_cast<int>(ExitCode::kOk)
                                : static_cast<int>(ExitCode::kUsage);
  }
  // What canaries are must be seen as that of any other process.
  if (canary->parsed()) return cryptnono::canary::act(canary_act);
  if (describe->parsed()) return cryptnono::commands::run_describe(cli, std::cout);
  if (expect_kill->parsed()) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread yet
    const char* text = std::getenv(cryptnono::commands::kExpectKillVariable);
    return cryptnono::commands::run_expect_kill(expected, text, std::cout, std::cerr);
  }
  cryptnono::forbid_dumps();
  cryptnono::proc::set_cgroup_namespace_root(cryptnono::container::find_cgroup_namespace_root());
  cryptnono::seal::keep_environment_identity();
  // `doctor` tries it by itself.
  if (!doctor->parsed()) {
    const cryptnono::Result<void> locked = cryptnono::lock_memory();
    if (!locked) options.memory_not_locked = locked.error().message;
  }
  options.files = inputs.files;
  options.identities = inputs.identity_paths();
  options.reveal = inputs.reveal;
  options.overrides = flowkiller.as_configuration();
  if (run->parsed() && options.release)
    return cryptnono::commands::run_release(inputs, options.pins, std::cout, std::cerr);
  if (run->parsed()) return run_daemon(options);
  if (check->parsed()) return cryptnono::commands::run_check(inputs, std::cout, std::cerr);
  if (explain->parsed() && !connects.empty())
    return cryptnono::commands::run_explain_connect(inputs, connects, std::cout, std::cerr);
  if (explain->parsed() && pid)
    return cryptnono::commands::run_explain_pid(inputs, *pid, std::cout, std::cerr);
  if (rule_option->count() > 0)
    return cryptnono::commands::run_explain_rule(inputs, rule_id, std::cout, std::cerr);
  if (explain->parsed())
    return cryptnono::commands::run_explain(inputs, command_line, executable, std::cout, std::cerr);
  if (status->parsed()) {
    if (watch->count() > 0 && !status_command.watch_s) status_command.watch_s = 2;
    return cryptnono::commands::run_status(status_command, std::cout, std::cerr);
  }
  for (const auto& command : rules_commands) {
    if (command.parser->parsed()) return command.run();
  }
  if (doctor_programs.wanted)
    return cryptnono::commands::run_doctor_programs(doctor_programs, std::cout, std::cerr);
  if (doctor->parsed()) return cryptnono::commands::run_doctor(std::cout);
  if (demo->parsed()) return cryptnono::commands::run_demo(victims, std::cout);
  return static_cast<int>(ExitCode::kUsage);
}
