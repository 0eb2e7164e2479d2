// HttpClient: one POST after another by libcurl, each of which can be cut short.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace cryptnono::notify {

struct Request {
  std::string url;      // http or https; anything else is not tried
  std::string ca_file;  // empty: the system's
  std::vector<std::string> headers;
  std::string body;
  std::chrono::milliseconds timeout{5000};  // for all of it, from the name to the answer's end
};

struct Answer {
  long status = 0;  // 0: none came
  std::chrono::seconds retry_after{0};
};

// One thread, but for wake(). Follows no redirect, uses no proxy, verifies TLS.
class HttpClient {
 public:
  HttpClient();

  // Gives up when `time_left()` is not above 0; it is asked again after each wake().
  Answer post(const Request& request, const std::function<std::chrono::milliseconds()>& time_left);
  // Any thread.
  void wake();

 private:
  // CURL and CURLM may be the same type.
  struct EndMulti {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  };
  struct EndEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  [[nodiscard]] bool set_options(const Request& request, curl_slist* headers);

  std::unique_ptr<CURLM, EndMulti> multi_;
  std::unique_ptr<CURL, EndEasy> easy_;  // ends before multi_
};

}  // namespace cryptnono::notify
