#include "config/webhook.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

namespace cryptnono::config {

namespace {

using Name = std::string_view;
using Value = Document::Value;

constexpr std::array<std::string_view, 8> kActions{"killed",    "missed-kill",    "reported",
                                                   "limited",   "failed",         "spared",
                                                   "responded", "response-failed"};
// A longer one is hashed anyway; and whoever names a wrong file should hear of it.
constexpr std::size_t kMaxSecretBytes = 4096;

struct Url {
  std::string scheme;
  std::string host;
};

// Nothing if it is no URL, or one with a user's name or password.
std::optional<Url> parse_url(const std::string& text) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> handle(curl_url(), &curl_url_cleanup);
  if (!handle || text.find('\0') != std::string::npos) return std::nullopt;
  if (curl_url_set(handle.get(), CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER) != CURLUE_OK)
    return std::nullopt;
  const auto part = [&](CURLUPart which) {
    char* found = nullptr;
    if (curl_url_get(handle.get(), which, &found, 0) != CURLUE_OK) return std::string();
    const std::unique_ptr<char, void (*)(void*)> owned(found, &curl_free);
    return std::string(found);
  };
  Url url{.scheme = part(CURLUPART_SCHEME), .host = part(CURLUPART_HOST)};
  const bool good = (url.scheme == "http" || url.scheme == "https") && !url.host.empty();
  return good ? std::optional(url) : std::nullopt;
}

bool is_loopback(const std::string& host) {
  const bool digits = host.find_first_not_of("0123456789.") == std::string::npos;
  return host == "localhost" || host == "[::1]" || (digits && host.starts_with("127."));
}

void read_url(Fields& fields, Name name, Value value, std::string& out) {
  const auto text = fields.read_string(name, value);
  if (!text) return;
  const std::optional<Url> url = parse_url(std::string(*text));
  if (!url) {  // not quoted: there may be a password in it
    return fields.error(
        value.position(),
        fmt::format("{} must be a URL as https://host/path, without a user or password", name));
  }
  if (url->scheme == "http" && !is_loopback(url->host)) {
    fields.warning(
        value.position(),
        fmt::format("{} is not encrypted: command lines go over the network as they are", name));
  }
  out = *text;
}

void read_secret(Fields& fields, Name name, Value value, const ReadFile& read_file,
                 std::string& out) {
  const auto path = fields.read_path(name, value);
  if (!path) return;
  const auto wrong = [&](std::string_view what) {
    fields.error(value.position(), fmt::format("{}: {}: {}", name, show_value(*path), what));
  };
  const Result<FileText> content = read_file(std::string(*path));
  if (!content) return wrong(content.error().message);
  std::string_view secret = *content;
  if (secret.ends_with('\n')) secret.remove_suffix(1);
  if (secret.ends_with('\r')) secret.remove_suffix(1);
  if (secret.empty()) return wrong("is empty");
  if (secret.size() > kMaxSecretBytes)
    return wrong(fmt::format("has more than {} bytes", kMaxSecretBytes));
  out = secret;
}

void read_actions(Fields& fields, Name name, Value list, std::vector<std::string>& out) {
  std::vector<std::string> actions;
  const std::string item_name = fmt::format("an item of {}", name);
  const bool is_list = fields.read_list(name, list, [&](Value item) {
    const auto text = fields.read_string(item_name, item);
    if (!text) return;
    if (std::find(kActions.begin(), kActions.end(), *text) == kActions.end()) {
      fields.error(item.position(), fmt::format("{} must be one of {}, not {}", item_name,
                                                fmt::join(kActions, ", "), show_value(*text)));
    } else if (std::find(actions.begin(), actions.end(), *text) != actions.end()) {
      fields.error(item.position(),
                   fmt::format("{} is given twice: {}", item_name, show_value(*text)));
    } else {
      actions.emplace_back(*text);
    }
  });
  if (is_list) out = std::move(actions);
}

}  // namespace

void read_webhook(Fields& fields, Name name, Value value, const ReadFile& read_file, Webhook& out) {
  out.given = true;
  fields.read_mapping(
      name, value,
      {{"url", [&](Name key, Value item) { read_url(fields, key, item, out.url); }},
       {"secretFile",
        [&](Name key, Value item) { read_secret(fields, key, item, read_file, out.secret); }},
       {"actions", [&](Name key, Value list) { read_actions(fields, key, list, out.actions); }},
       {"timeout",
        [&](Name key, Value item) {
          fields.read_integer(key, item, 1, 60, " seconds", out.timeout_s);
        }},
       {"caFile", [&](Name key, Value item) {
          if (const auto path = fields.read_path(key, item)) out.ca_file = *path;
        }}});
}

void check_webhook(const Config& config, Diagnostics& diagnostics) {
  if (!config.webhook.given) return;
  if (config.webhook.url.empty()) {
    diagnostics.warning("", {}, "webhook has no url: nobody is told");
  } else if (config.log.level > LogLevel::kInfo) {
    diagnostics.warning("", {},
                        "log.level is above info: what is not logged is not told to the webhook");
  }
}

}  // namespace cryptnono::config
