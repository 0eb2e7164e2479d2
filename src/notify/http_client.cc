#include "notify/http_client.h"

#include <algorithm>
#include <mutex>

namespace cryptnono::notify {

namespace {

void start_curl_once() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// What a receiver answers beyond the status is nobody's.
std::size_t discard(char* /*data*/, std::size_t size, std::size_t count, void* /*user*/) {
  return size * count;
}

struct Headers {
  explicit Headers(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      curl_slist* longer = curl_slist_append(list, line.c_str());
      if (longer == nullptr) {
        complete = false;
        return;
      }
      list = longer;
    }
  }
  ~Headers() { curl_slist_free_all(list); }
  Headers(const Headers&) = delete;
  Headers& operator=(const Headers&) = delete;

  curl_slist* list = nullptr;
  bool complete = true;
};

}  // namespace

HttpClient::HttpClient()
    : multi_((start_curl_once(), curl_multi_init())), easy_(curl_easy_init()) {}

void HttpClient::wake() {
  if (multi_) curl_multi_wakeup(multi_.get());
}

bool HttpClient::set_options(const Request& request, curl_slist* headers) {
  CURL* easy = easy_.get();
  curl_easy_reset(easy);  // keeps the connection
  bool ok = true;
  const auto set = [&](CURLoption option, auto value) {
    ok = curl_easy_setopt(easy, option, value) == CURLE_OK && ok;
  };
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");  // what is configured decides, not the environment
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!request.ca_file.empty()) set(CURLOPT_CAINFO, request.ca_file.c_str());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // an end does not wait for a resolver
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  set(CURLOPT_HTTPHEADER, headers);
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  set(CURLOPT_POSTFIELDS, request.body.c_str());
  set(CURLOPT_WRITEFUNCTION, &discard);
  return ok;
}

Answer HttpClient::post(const Request& request,
                        const std::function<std::chrono::milliseconds()>& time_left) {
  constexpr std::chrono::milliseconds kLongestPoll{1000};
  const Headers headers(request.headers);
  if (!multi_ || !easy_ || !headers.complete || !set_options(request, headers.list)) return {};
  if (curl_multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK) return {};
  int running = 1;
  while (curl_multi_perform(multi_.get(), &running) == CURLM_OK && running > 0) {
    const std::chrono::milliseconds left = time_left();
    if (left.count() <= 0) break;
    const auto wait = static_cast<int>(std::min(left, kLongestPoll).count());
    if (curl_multi_poll(multi_.get(), nullptr, 0, wait, nullptr) != CURLM_OK) break;
  }
  Answer answer;
  int queued = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &queued)) {
    if (message->msg != CURLMSG_DONE || message->data.result != CURLE_OK) continue;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &answer.status);
    curl_easy_getinfo(easy_.get(), CURLINFO_RETRY_AFTER, &retry_after);
    answer.retry_after = std::chrono::seconds(retry_after);
  }
  curl_multi_remove_handle(multi_.get(), easy_.get());
  return answer;
}

}  // namespace cryptnono::notify
