#include "commands/rules_generate.h"

#include <fmt/format.h>

#include <iostream>
#include <map>
#include <memory>

#include "commands/inputs.h"
#include "commands/rules_files.h"
#include "generate/generate.h"

namespace cryptnono::commands {

namespace {

struct GenerateOptions {
  Inputs inputs;  // --identity
  std::vector<std::string> seeds;
  std::vector<std::string> corpora;
  std::string settings;
  std::string decisions;
  std::string out;
  std::string provenance;
  std::string report;
  std::optional<generate::OnHit> on_hit;
  bool reveal = false;
};

Result<generate::NamedText> read_named(const std::string& path,
                                       const seal::Identities& identities) {
  return generate::NamedText{path, TRY(read_opened(path, identities))};
}

Result<generate::Inputs> read_inputs(const GenerateOptions& options) {
  generate::Inputs inputs;
  const seal::Identities identities = TRY(options.inputs.load_identities());
  for (const std::string& path : options.seeds)
    inputs.seeds.push_back(TRY(read_named(path, identities)));
  for (const std::string& path : options.corpora)
    inputs.corpora.push_back({path, TRY(read_input(path))});
  if (!options.settings.empty()) inputs.settings = TRY(read_named(options.settings, identities));
  if (!options.decisions.empty()) inputs.decisions = TRY(read_named(options.decisions, identities));
  inputs.on_hit = options.on_hit;
  inputs.reveal_provenance = options.reveal;
  return inputs;
}

Result<void> write_output(const GenerateOptions& options, const generate::Output& output) {
  if (!options.report.empty()) {
    const bool json = options.report.size() > 5 &&
                      options.report.compare(options.report.size() - 5, 5, ".json") == 0;
    TRY(write_out(options.report, json ? output.report_json : output.report_text,
                  Existing::kReplace));
  }
  if (output.failed) {
    return fail(fmt::format(
        "{} rules stand in honest lines, {} are too short; nothing was written (the report names "
        "them)",
        output.counts.hit, output.counts.too_short));
  }
  if (!options.provenance.empty())
    TRY(write_out(options.provenance, output.provenance, Existing::kReplace));
  return write_out(options.out, output.rules, Existing::kReplace);
}

int run_generate(const GenerateOptions& options, std::ostream& err) {
  const Result<generate::Inputs> inputs = read_inputs(options);
  if (!inputs) return say(inputs.error(), err);
  const generate::Outcome outcome = generate::generate(*inputs);
  for (const auto& warning : outcome.warnings) err << "warning: " << to_string(warning) << '\n';
  for (const auto& error : outcome.errors) err << to_string(error) << '\n';
  if (!outcome.output) return static_cast<int>(ExitCode::kConfig);
  if (const Result<void> written = write_output(options, *outcome.output); !written)
    return say(written.error(), err);
  const generate::Counts& counts = outcome.output->counts;
  err << fmt::format(
      "{} rules of {} candidates; {} stand in honest lines, {} are too short, {} are redundant\n",
      counts.rules, counts.candidates, counts.hit, counts.too_short, counts.redundant);
  return static_cast<int>(ExitCode::kOk);
}

}  // namespace

Subcommand add_generate_command(CLI::App& rules) {
  CLI::App* command = rules.add_subcommand("generate", "Make a rule file from seeds");
  const auto options = std::make_shared<GenerateOptions>();
  const auto one = [&](const char* name, std::string& out, const char* what) {
    command->add_option(name, out, what);
  };
  add_repeated(*command, "-s,--seeds", options->seeds, "Seed file")->required();
  add_repeated(*command, "--corpus", options->corpora, "Honest lines to measure against");
  options->inputs.add_identities_to(*command);
  one("--settings", options->settings, "What is made of which kind of seed");
  one("--decisions", options->decisions,
      "The provenance of an earlier run, whose verdicts hold instead of corpora");
  one("-o,--output", options->out, "The rule file; without it, standard output");
  one("--provenance", options->provenance, "Where each rule comes from, as JSON lines");
  one("--report", options->report, "What honest lines have too; JSON if the name ends in .json");
  command->add_option("--on-hit", options->on_hit, "What happens to such rules: drop, flag or fail")
      ->type_name("ACTION")
      ->transform(CLI::CheckedTransformer(
                      std::map<std::string, generate::OnHit>{{"drop", generate::OnHit::kDrop},
                                                             {"flag", generate::OnHit::kFlag},
                                                             {"fail", generate::OnHit::kFail}})
                      .description("{drop,flag,fail}"));
  command->add_flag("--reveal", options->reveal, "Show the rules' texts in the provenance");
  return {command, [options] { return run_generate(*options, std::cerr); }};
}

}  // namespace cryptnono::commands
