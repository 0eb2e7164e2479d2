// What a person sees in a browser at `/`: one document that asks for `status.json`, beside it,
// every few seconds.
#pragma once

#include <string_view>

namespace cryptnono::status {

// HTML in UTF-8, below 30,000 bytes. It needs nothing from elsewhere, so it may and should be sent
// with this policy, as tests/page does: default-src 'none'; style-src 'unsafe-inline'; script-src
// 'unsafe-inline'; connect-src 'self' (the rest in docs/status.md). It says nothing of this
// machine: all that it shows comes from `status.json`. Made at build time of page.html, page.css
// and page*.js; lives as long as the program. Any thread.
std::string_view page_html();

}  // namespace cryptnono::status
