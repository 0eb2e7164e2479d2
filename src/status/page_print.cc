// Prints the page, for the tests in a browser.
#include <cstdio>

#include "status/page.h"

int main() {
  const auto page = cryptnono::status::page_html();
  return std::fwrite(page.data(), 1, page.size(), stdout) == page.size() ? 0 : 1;
}
