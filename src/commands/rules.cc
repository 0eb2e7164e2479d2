#include "commands/rules.h"

#include <iostream>
#include <memory>

#include "commands/replay.h"
#include "commands/rules_bundle.h"
#include "commands/rules_corpus.h"
#include "commands/rules_generate.h"
#include "commands/rules_seal.h"
#include "commands/rules_tests.h"

namespace cryptnono::commands {

namespace {

// A command with options of its own, which live as long as what runs it.
template <typename Command>
Subcommand make(CLI::App* parser, int (*run)(const Command&, std::ostream&, std::ostream&)) {
  auto command = std::make_shared<Command>();
  command->add_to(*parser);
  return {.parser = parser, .run = [command, run] { return run(*command, std::cout, std::cerr); }};
}

}  // namespace

std::vector<Subcommand> add_rules_commands(CLI::App& cli) {
  CLI::App* rules = cli.add_subcommand("rules", "Generate, seal, test and hand over rules");
  rules->require_subcommand(1);
  std::vector<Subcommand> all;
  add_seal_commands(*rules, all);
  all.push_back(add_generate_command(*rules));
  all.push_back(add_corpus_command(*rules));
  all.push_back(add_export_command(*rules));
  all.push_back(add_import_command(*rules));
  all.push_back(make(rules->add_subcommand("test", "Check command lines that must die or live"),
                     run_rules_test));
  all.push_back(
      make(cli.add_subcommand("replay", "Say what of a log would die by these rules"), run_replay));
  return all;
}

}  // namespace cryptnono::commands
