// What a client would rather have: the header Accept (RFC 9110, 12.5.1).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cryptnono::http {

// One of the ranges, as "text/html;version=1;q=0.5".
struct MediaRange {
  std::string type;     // in lower case; "*": any
  std::string subtype;  // the same
  std::string version;  // the parameter of this name; "" if there is none
  double quality = 1;   // 0 to 1; 0: not wanted
};

// In the order in which they stand there. What is not well-formed is left out.
std::vector<MediaRange> parse_accept(std::string_view accept);

// How much a client wants `type`/`subtype` in `version` ("" if it has none), by the most specific
// range that it falls in; 0: not at all. `exactly`: only ranges without a wildcard count.
double quality_of(const std::vector<MediaRange>& ranges, std::string_view type,
                  std::string_view subtype, std::string_view version = "", bool exactly = false);

}  // namespace cryptnono::http
