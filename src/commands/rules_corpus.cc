#include "commands/rules_corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>

#include "commands/inputs.h"
#include "commands/rules_files.h"
#include "generate/corpus_lines.h"

namespace cryptnono::commands {

namespace {

namespace fs = std::filesystem;

struct CorpusOptions {
  bool processes = false;
  bool applications = false;
  bool packages = false;
  std::vector<std::string> histories;
  std::vector<std::string> files;
  std::string root;  // for tests: before /proc, /usr, /var
  std::string out;
};

template <typename Use>  // void(std::string_view line)
void each_line(std::string_view text, char end_of_line, Use use) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(end_of_line), text.size());
    use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// What is in a directory, if there is one; what cannot be read is left out.
std::vector<fs::path> listing(const fs::path& directory) {
  std::vector<fs::path> all;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error))
    all.push_back(at->path());
  return all;
}

void add_processes(const fs::path& root, generate::CorpusLines& lines) {
  for (const fs::path& path : listing(root / "proc")) {
    const std::string name = path.filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    // It may have ended.
    if (const auto text = read_input(path / "cmdline")) lines.add(*text);
  }
}

void add_applications(const fs::path& root, generate::CorpusLines& lines) {
  for (const fs::path& path : listing(root / "usr/share/applications")) {
    if (path.extension() != ".desktop") continue;
    const auto text = read_input(path);
    if (!text) continue;
    each_line(*text, '\n', [&](std::string_view line) {
      for (const std::string_view key : {"Exec=", "TryExec="}) {
        if (line.substr(0, key.size()) == key) lines.add(line.substr(key.size()));
      }
    });
  }
}

// The files of each package that is installed, and its name.
void add_packages(const fs::path& root, generate::CorpusLines& lines) {
  for (const fs::path& path : listing(root / "var/lib/dpkg/info")) {
    if (path.extension() != ".list") continue;
    const std::string name = path.stem();  // package, or package:architecture
    lines.add(std::string_view(name).substr(0, name.find(':')));
    if (const auto text = read_input(path))
      each_line(*text, '\n', [&](std::string_view line) { lines.add(line); });
  }
}

// Of bash (with times as #1700000000), zsh (": 1700000000:0;command") and fish ("- cmd: command").
void add_history(std::string_view text, generate::CorpusLines& lines) {
  each_line(text, '\n', [&](std::string_view line) {
    if (line.substr(0, 1) == "#") return;
    if (line.substr(0, 2) == ": ") {
      if (const std::size_t at = line.find(';'); at != std::string_view::npos)
        line.remove_prefix(at + 1);
    }
    if (line.substr(0, 7) == "- cmd: ") line.remove_prefix(7);
    lines.add(line);
  });
}

Result<void> make_corpus(const CorpusOptions& options, std::ostream& err) {
  generate::CorpusLines lines;
  const fs::path root = options.root.empty() ? "/" : options.root;
  if (options.processes) add_processes(root, lines);
  if (options.applications) add_applications(root, lines);
  if (options.packages) add_packages(root, lines);
  for (const std::string& path : options.histories) add_history(TRY(read_input(path)), lines);
  for (const std::string& path : options.files) {
    const std::string text = TRY(read_input(path));
    each_line(text, '\n', [&](std::string_view line) { lines.add(line); });
  }
  TRY(write_out(options.out, lines.text(), Existing::kReplace));
  err << fmt::format("{} lines; {} secrets hidden, {} lines left out (not UTF-8, or too long)\n",
                     lines.size(), lines.hidden(), lines.left_out());
  if (options.processes || !options.histories.empty()) {
    err << "warning: command lines may hold secrets that look like nothing of the kind; read "
           "the corpus before you give it to anybody\n";
  }
  return {};
}

}  // namespace

Subcommand add_corpus_command(CLI::App& rules) {
  CLI::App* command =
      rules.add_subcommand("corpus", "Collect honest command lines and words of this machine");
  const auto options = std::make_shared<CorpusOptions>();
  command->add_flag("--processes", options->processes, "Command lines of all that runs now");
  command->add_flag("--applications", options->applications,
                    "What the entries of /usr/share/applications run");
  command->add_flag("--packages", options->packages,
                    "Names and files of the Debian packages that are installed");
  add_repeated(*command, "--history", options->histories, "A shell's history (bash, zsh, fish)");
  add_repeated(*command, "--files", options->files, "A file of lines to add");
  command->add_option("--root", options->root, "Read this directory instead of /");
  command->add_option("-o,--output", options->out, "The corpus; without it, standard output");
  return {command, [options] {
            const Result<void> made = make_corpus(*options, std::cerr);
            return made ? static_cast<int>(ExitCode::kOk) : say(made.error(), std::cerr);
          }};
}

}  // namespace cryptnono::commands
