#include "commands/rules.h"

#include "commands/rules_seal.h"
#include "commands/rules_corpus.h"
#include "commands/rules_generate.h"

namespace cryptnono::commands {

std::vector<Subcommand> add_rules_commands(CLI::App& cli) {
  CLI::App* rules = cli.add_subcommand("rules", "Generate, seal, test and hand over rules");
  rules->require_subcommand(1);
  std::vector<Subcommand> all;
  add_seal_commands(*rules, all);
  all.push_back(add_generate_command(*rules));
  all.push_back(add_corpus_command(*rules));
  return all;
}

}  // namespace cryptnono::commands
