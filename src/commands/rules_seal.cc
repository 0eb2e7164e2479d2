#include "commands/rules_seal.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "commands/inputs.h"
#include "commands/rules_files.h"
#include "config/load.h"
#include "config/read_file.h"
#include "seal/open.h"
#include "seal/seal.h"

namespace cryptnono::commands {

namespace {

struct SealOptions {
  std::string file;
  std::string out;  // empty: standard output
  bool force = false;
  // of `seal`
  seal::Recipients recipients;
  bool armor = false;
  bool any_file = false;
  bool no_padding = false;
  // of `open`
  Inputs inputs;
};

int say_of(std::string_view file, Error error) {
  return say(with_context(file, std::move(error)), std::cerr);
}

// "-" is standard input, so that a plaintext need not be in a file.
std::string path_of(const std::string& file) { return file == "-" ? "/dev/stdin" : file; }

// -o is asked before any work: what it refuses should not cost a passphrase or a wait.
Result<void> may_write(const SealOptions& options) {
  struct stat status {};
  if (options.out.empty() || options.force || ::lstat(options.out.c_str(), &status) != 0) return {};
  return fail("is there already; --force overwrites it", ExitCode::kUsage);
}

int put(const SealOptions& options, std::string_view text) {
  const Result<void> written =
      write_out(options.out, text, options.force ? Existing::kReplace : Existing::kRefuse);
  return written ? static_cast<int>(ExitCode::kOk) : say(written.error(), std::cerr);
}

int run_seal(const SealOptions& options) {
  if (const Result<void> may = may_write(options); !may) return say_of(options.out, may.error());
  if (options.out.empty() && !options.armor && ::isatty(STDOUT_FILENO) == 1)
    return say_of("rules seal", {"this is a terminal; give -o FILE or --armor", ExitCode::kUsage});
  Result<config::FileText> text = config::read_file(path_of(options.file), {});
  if (!text && text.error().code != ExitCode::kConfig) text.error().code = ExitCode::kConfig;
  if (!text) return say_of(options.file, text.error());
  // Padded first: it is this text that a daemon will read.
  const seal::Secret padded = options.no_padding ? seal::Secret::copy_of(*text) : seal::pad(*text);
  if (!options.any_file) {
    // What a pipe gives whose first command has failed.
    if (text->view().find_first_not_of(" \t\r\n") == std::string_view::npos)
      return say_of(options.file, {"empty; not sealed", ExitCode::kConfig});
    const config::LoadResult loaded = config::load_text(options.file, padded.view());
    if (!loaded) {
      for (const config::Diagnostic& error : loaded.error())
        std::cerr << config::to_string(error) << '\n';
      std::cerr << options.file << ": not sealed; --any-file seals what is no configuration\n";
      return static_cast<int>(ExitCode::kConfig);
    }
  }
  const Result<std::string> sealed =
      seal::seal(padded.view(), options.recipients, {.armor = options.armor});
  if (!sealed) return say_of("rules seal", sealed.error());
  return put(options, *sealed);
}

int run_open(const SealOptions& options) {
  if (const Result<void> may = may_write(options); !may) return say_of(options.out, may.error());
  const Result<seal::Identities> identities = options.inputs.load_identities();
  if (!identities) return say_of("rules open", identities.error());
  const Result<config::FileText> text = config::read_file(path_of(options.file), *identities);
  if (!text) return say_of(options.file, {text.error().message, ExitCode::kConfig});
  if (!text->sealed()) return say_of(options.file, {"not sealed", ExitCode::kConfig});
  return put(options, seal::without_padding(*text));
}

}  // namespace

void add_seal_commands(CLI::App& rules, std::vector<Subcommand>& all) {
  const auto add = [&](const char* name, const char* what, auto run) {
    CLI::App* command = rules.add_subcommand(name, what);
    auto options = std::make_shared<SealOptions>();
    command->add_option("FILE", options->file, "The file; -: standard input")->required();
    command->add_option("-o,--output", options->out,
                        "Write this file, for its owner alone; not given: standard output");
    command->add_flag("--force", options->force, "Overwrite it");
    all.push_back({command, [options, run] { return run(*options); }});
    return std::pair(command, options);
  };
  const auto [seal, to] =
      add("seal", "Encrypt a rule file for those who may read it, by the program age", run_seal);
  add_repeated(*seal, "-r,--recipient", to->recipients.keys, "age1..., or an SSH public key");
  add_repeated(*seal, "-R,--recipients-file", to->recipients.files,
               "File of recipients, one a line");
  seal->add_flag("-a,--armor", to->armor, "As text");
  seal->add_flag("--any-file", to->any_file, "Seal what is no configuration, too");
  seal->add_flag("--no-padding", to->no_padding, "Let the size tell the file's");
  const auto [open, from] = add("open", "Decrypt a sealed file", run_open);
  from->inputs.add_identities_to(*open);
}

}  // namespace cryptnono::commands
