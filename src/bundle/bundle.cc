#include "bundle/bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "base/sha256.h"

namespace cryptnono::bundle {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "cryptnono-bundle/1";
constexpr std::size_t kMaxName = 128;

struct RoleName {
  Role role;
  std::string_view name;
  std::string_view folder;
};
constexpr std::array<RoleName, 6> kRoles{{{Role::kRules, "rules", "rules/"},
                                          {Role::kAddresses, "addresses", "addresses/"},
                                          {Role::kSeeds, "seeds", "seeds/"},
                                          {Role::kProvenance, "provenance", "provenance/"},
                                          {Role::kTests, "tests", "tests/"},
                                          {Role::kDocument, "document", "documents/"}}};

const RoleName& name_of(Role role) { return kRoles.at(static_cast<std::size_t>(role)); }

bool good_name(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kMaxName && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), good);
}

// The value of a key that must be there. Throws Json::exception, which from_json() catches.
std::string text_of(const Json& object, const char* key) {
  return object.at(key).get<std::string>();
}

Result<File> file_of(const Json& json) {
  File file{.path = text_of(json, "path"), .role = {}, .text = text_of(json, "text")};
  const std::string role = text_of(json, "role");
  const auto* known = std::find_if(kRoles.begin(), kRoles.end(),
                                   [&](const RoleName& each) { return each.name == role; });
  if (known == kRoles.end()) return fail("a file has a role that this version does not know");
  file.role = known->role;
  const std::string_view path = file.path;
  if (!path.starts_with(known->folder) || !good_name(path.substr(known->folder.size())))
    return fail("a path in it leads elsewhere, or has characters that no path has here");
  if (sha256_hex(file.text) != text_of(json, "sha256"))
    return fail(fmt::format("{} is not what its SHA-256 says: it was altered", file.path));
  return file;
}

Result<Recipe> recipe_of(const Json& json, const Bundle& bundle) {
  Recipe recipe{.rules = text_of(json, "rules"),
                .seeds = json.at("seeds").get<std::vector<std::string>>(),
                .settings = text_of(json, "settings"),
                .decisions = text_of(json, "decisions")};
  const auto has = [&](const std::string& path, Role role) {
    const File* file = bundle.find(path);
    return file != nullptr && file->role == role;
  };
  const bool seeds = std::all_of(recipe.seeds.begin(), recipe.seeds.end(),
                                 [&](const auto& path) { return has(path, Role::kSeeds); });
  const bool settings = recipe.settings.empty() || has(recipe.settings, Role::kSeeds);
  const bool decisions = recipe.decisions.empty() || has(recipe.decisions, Role::kProvenance);
  if (!has(recipe.rules, Role::kRules) || !seeds || !settings || !decisions)
    return fail("how a file is generated names files that are not in it");
  return recipe;
}

}  // namespace

const File* Bundle::find(std::string_view path) const {
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const File& file) { return file.path == path; });
  return found == files.end() ? nullptr : &*found;
}

Result<std::string> path_of(Role role, std::string_view file) {
  const std::size_t slash = file.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? file : file.substr(slash + 1);
  if (!good_name(name))
    return fail(fmt::format("{}: in a bundle a file's name has at most {} letters, digits and ._-, "
                            "and does not begin with a dot",
                            file, kMaxName),
                ExitCode::kUsage);
  return fmt::format("{}{}", name_of(role).folder, name);
}

Result<std::string> to_json(const Bundle& bundle) {
  Json files = Json::array();
  std::set<std::string_view> paths;
  for (const File& file : bundle.files) {
    if (!paths.insert(file.path).second)
      return fail(fmt::format("two files would be {} in the bundle", file.path), ExitCode::kUsage);
    files.push_back({{"path", file.path},
                     {"role", name_of(file.role).name},
                     {"sha256", sha256_hex(file.text)},
                     {"text", file.text}});
  }
  Json recipes = Json::array();
  for (const Recipe& recipe : bundle.recipes) {
    recipes.push_back({{"rules", recipe.rules},
                       {"seeds", recipe.seeds},
                       {"settings", recipe.settings},
                       {"decisions", recipe.decisions}});
  }
  const Json whole{{"format", kFormat},
                   {"made_by", bundle.made_by},
                   {"files", std::move(files)},
                   {"generated", std::move(recipes)}};
  try {
    return whole.dump(1) + "\n";
  } catch (const Json::type_error&) {
    return fail("a file is not UTF-8 text", ExitCode::kConfig);
  }
}

Result<Bundle> from_json(std::string_view text) {
  const auto wrong = [](std::string_view what) {
    return fail(fmt::format("not a bundle that can be used: {}", what), ExitCode::kConfig);
  };
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return wrong("it is no JSON object");
  try {
    if (text_of(json, "format") != kFormat) return wrong("it has another format");
    Bundle bundle{.made_by = text_of(json, "made_by"), .files = {}, .recipes = {}};
    if (json.at("files").size() > kMaxFiles) return wrong("it has too many files");
    for (const Json& each : json.at("files")) {
      Result<File> file = file_of(each);
      if (!file) return wrong(file.error().message);
      if (bundle.find(file->path) != nullptr) return wrong("a path stands twice in it");
      bundle.files.push_back(*std::move(file));
    }
    for (const Json& each : json.at("generated")) {
      Result<Recipe> recipe = recipe_of(each, bundle);
      if (!recipe) return wrong(recipe.error().message);
      bundle.recipes.push_back(*std::move(recipe));
    }
    return bundle;
  } catch (const Json::exception&) {  // its message may quote what is secret
    return wrong("a key is missing or has the wrong type");
  }
}

}  // namespace cryptnono::bundle
