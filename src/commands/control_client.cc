#include "commands/control_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <cerrno>
#include <memory>

namespace cryptnono::commands {

namespace {

constexpr long kTimeoutMs = 5000;
// A status has 300 KiB of kills at most.
constexpr std::size_t kMaxAnswer = std::size_t{8} << 20;

std::size_t append(char* data, std::size_t size, std::size_t count, void* user) {
  auto& out = *static_cast<std::string*>(user);
  if (out.size() + size * count > kMaxAnswer) return 0;
  out.append(data, size * count);
  return size * count;
}

tl::unexpected<Error> explain(const std::string& socket, CURLcode code, long errnum) {
  switch (errnum) {
    case EACCES:
    case EPERM:
      return fail(fmt::format("{}: only root may ask the daemon", socket), ExitCode::kNotPermitted);
    case ENOENT:
      return fail(fmt::format("{}: there is no control socket; does the daemon run, and is "
                              "control.socket set so?",
                              socket),
                  ExitCode::kNoDaemon);
    case ECONNREFUSED:
      return fail(fmt::format("{}: nobody listens; the daemon has ended", socket),
                  ExitCode::kNoDaemon);
    default:
      return fail(fmt::format("{}: no answer: {}", socket, curl_easy_strerror(code)),
                  ExitCode::kNoDaemon);
  }
}

}  // namespace

Result<std::string> ask_daemon(const std::string& socket, std::string_view path) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                 &curl_easy_cleanup);
  if (!curl) return fail("libcurl cannot be started");
  const std::string url = "http://localhost" + std::string(path);
  std::string body;
  bool ok = true;
  const auto set = [&](CURLoption option, auto value) {
    ok = curl_easy_setopt(curl.get(), option, value) == CURLE_OK && ok;
  };
  set(CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http");
  set(CURLOPT_PROXY, "");  // whatever the environment says
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, kTimeoutMs);
  set(CURLOPT_WRITEFUNCTION, &append);
  set(CURLOPT_WRITEDATA, &body);
  if (!ok)
    return fail(fmt::format("{}: not a path that can be asked at", socket), ExitCode::kUsage);
  const CURLcode code = curl_easy_perform(curl.get());
  long errnum = 0;
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_OS_ERRNO, &errnum);
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (code != CURLE_OK) return explain(socket, code, code == CURLE_COULDNT_CONNECT ? errnum : 0);
  if (status == 403)
    return fail(fmt::format("{}: only root may ask the daemon", socket), ExitCode::kNotPermitted);
  if (status != 200) return fail(fmt::format("{}: the daemon answered {}", socket, status));
  return body;
}

}  // namespace cryptnono::commands
