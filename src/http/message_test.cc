#include "http/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cryptnono::http {
namespace {

using testing::HasSubstr;

// The status that a head gets; 200: it is understood.
int status_of(std::string_view head) {
  const auto request = parse_request(head);
  return request ? 200 : request.error().status;
}

std::string path_of(const std::string& target) {
  const auto request = parse_request("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
  return request ? request->path : "status " + std::to_string(request.error().status);
}

TEST(Request, has_method_path_and_the_headers_that_count) {
  const auto request = parse_request(
      "HEAD /status.json?x=1 HTTP/1.1\r\nHost: node:12121\r\nAccept: "
      "text/html\r\nACCEPT:\tb/c;q=0.1 "
      "\r\nX-Other: \xc3\xa9\r\n\r\n");
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->method, "HEAD");
  EXPECT_EQ(request->path, "/status.json");
  EXPECT_EQ(request->accept, "text/html, b/c;q=0.1");
  EXPECT_EQ(request->host, "node:12121");
  EXPECT_FALSE(request->forwarded);
}

TEST(Request, knows_a_proxy_that_says_so) {
  for (const std::string name : {"Forwarded", "X-Forwarded-For", "x-forwarded-host", "Via"}) {
    const auto request = parse_request("GET / HTTP/1.1\r\n" + name + ": 192.0.2.1\r\n\r\n");
    ASSERT_TRUE(request.has_value()) << name;
    EXPECT_TRUE(request->forwarded) << name;
  }
}

TEST(Request, decodes_the_path_once) {
  EXPECT_EQ(path_of("/%68ealthz"), "/healthz");
  EXPECT_EQ(path_of("/%2568ealthz"), "/%68ealthz");
  EXPECT_EQ(path_of("/a%2Fb%20c%ff"), "/a/b c\xff");
  EXPECT_EQ(path_of("/healthz?a=/readyz#b"), "/healthz");
  EXPECT_EQ(path_of("http://node:12121/readyz"), "/readyz");
  EXPECT_EQ(path_of("HTTP://node"), "/");
  EXPECT_EQ(path_of("/../healthz"), "/../healthz");
}

TEST(Request, refuses_paths_that_are_not_well_formed) {
  for (const std::string target :
       {"", "*", "healthz", "ftp://x/", "/%", "/%4", "/%zz", "/%00", "/a%00b"})
    EXPECT_EQ(path_of(target), "status 400") << target;
}

TEST(Request, refuses_what_could_be_understood_in_two_ways) {
  for (const std::string_view field :
       {"Transfer-Encoding: chunked", "Transfer-Encoding : chunked", "Content-Length: 5",
        "Content-Length: +0", "Content-Length: 0\r\nTransfer-Encoding: x", "Host: a\r\nHost: b",
        " folded: x", "\tfolded", "no colon", ": no name", "na me: x", "Name: a\rb",
        "Name: a\nEvil: b", "Name: \x01", "Name: \x7f"})
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\n" + std::string(field) + "\r\n\r\n"), 400) << field;
  using namespace std::string_view_literals;
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nName: a\0b\r\n\r\n"sv), 400);
  EXPECT_EQ(status_of("GET /\0 HTTP/1.1\r\n\r\n"sv), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), 200);
}

TEST(Request, refuses_request_lines_that_are_not_well_formed) {
  for (const std::string_view line :
       {"", "GET", "GET /", "GET  HTTP/1.1", "GET / x HTTP/1.1", "GET /a b HTTP/1.1",
        "G(T / HTTP/1.1", " GET / HTTP/1.1", "GET / http/1.1", "GET / \nHTTP/1.1"})
    EXPECT_EQ(status_of(std::string(line) + "\r\n\r\n"), 400) << line;
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 200);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: x"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1"), 400);
}

TEST(Request, refuses_other_methods_and_long_heads) {
  const auto request = parse_request("POST / HTTP/1.1\r\n\r\n");
  ASSERT_FALSE(request.has_value());
  EXPECT_THAT(serialize(request.error(), true),
              HasSubstr("405 Method Not Allowed\r\nContent-Type: text/plain; "
                        "charset=utf-8\r\nAllow: GET, HEAD\r\n"));
  EXPECT_EQ(status_of("GET /" + std::string(kMaxHead, 'x') + " HTTP/1.1\r\n\r\n"), 431);
}

TEST(Response, is_written_with_its_length) {
  const Response response{.status = 503, .headers = {{"A", "b"}}, .body = "no\n"};
  EXPECT_EQ(serialize(response, true),
            "HTTP/1.1 503 Service Unavailable\r\nA: b\r\nContent-Length: 3\r\nConnection: "
            "close\r\n\r\nno\n");
  EXPECT_EQ(
      serialize(response, false),
      "HTTP/1.1 503 Service Unavailable\r\nA: b\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
}

}  // namespace
}  // namespace cryptnono::http
