#include "generate/settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/document.h"
#include "config/fields.h"

namespace cryptnono::generate {

namespace {

template <typename Enum, std::size_t N>
std::vector<std::pair<std::string_view, Enum>> choices(
    const std::array<std::string_view, N>& names) {
  std::vector<std::pair<std::string_view, Enum>> all;
  for (std::size_t i = 0; i < N; ++i) all.emplace_back(names.at(i), static_cast<Enum>(i));
  return all;
}

}  // namespace

Settings Settings::defaults() {
  using enum Transformation;
  Settings settings;
  settings.transformations = {{
      {kPlain, kSeparators, kBase64, kHex, kReversed},  // minerNames
      {kPlain, kGlued, kBase64, kHex, kReversed},       // pools
      {kPlain, kGlued},                                 // coins
      {kPlain, kGlued},                                 // algorithms
      {kPlain, kBase64, kHex, kReversed},               // wallets
      {kPlain, kJson, kBase64, kHex, kReversed},        // options
      {kPlain, kBase64, kHex, kReversed},               // urlSchemes
      {kPlain, kBase64, kHex, kReversed},               // strings
  }};
  settings.ports = {"3333", "4444", "5555", "7777", "8888", "9999", "14433", "14444"};
  return settings;
}

void read_settings(const NamedText& file, Settings& settings, config::Diagnostics& diagnostics) {
  using Value = config::Document::Value;
  const auto document = config::parse_document(file.name, file.text, diagnostics);
  if (!document || !document->root()) return;
  config::Fields fields(file.name, diagnostics);
  std::vector<config::Fields::Key> kinds;
  for (std::size_t kind = 0; kind < kSeedKinds; ++kind) {
    kinds.push_back({kSeedKeys.at(kind), [&, kind](auto name, Value value) {
                       auto& all = settings.transformations.at(kind);
                       all.clear();
                       fields.read_list(name, value, [&](Value item) {
                         auto one = Transformation::kPlain;
                         fields.read_choice(name, item,
                                            choices<Transformation>(kTransformationNames), one);
                         all.push_back(one);
                       });
                       std::sort(all.begin(), all.end());
                       all.erase(std::unique(all.begin(), all.end()), all.end());
                     }});
  }
  fields.read_mapping("", *document->root(),
                      {{"transformations",
                        [&](auto name, Value value) { fields.read_mapping(name, value, kinds); }},
                       {"ports",
                        [&](auto name, Value value) {
                          settings.ports.clear();
                          fields.read_list(name, value, [&](Value item) {
                            std::uint32_t port = 0;
                            fields.read_integer(name, item, 1, 65535, "", port);
                            if (port != 0) settings.ports.push_back(std::to_string(port));
                          });
                        }},
                       {"onHit", [&](auto name, Value value) {
                          fields.read_choice(name, value, choices<OnHit>(kOnHitNames),
                                             settings.on_hit);
                        }}});
}

}  // namespace cryptnono::generate
