// libFuzzer target: what container runtimes answer. The first byte says which of them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/cri_client.h"
#include "runtime/docker_client.h"

namespace {

using cryptnono::Result;
using cryptnono::runtime::ContainerDetails;

const std::vector<std::string> kWanted{"A", "BINDER_REF_URL"};

void check(const Result<ContainerDetails>& details, std::string_view type) {
  if (!details) return;
  if (details->type != type || details->environment.size() > kWanted.size()) std::abort();
  for (const auto& [name, value] : details->environment)
    if (name != kWanted[0] && name != kWanted[1]) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'd':
      check(cryptnono::runtime::parse_docker_container(body, kWanted), "docker");
      break;
    case 's':
      check(cryptnono::runtime::parse_container_status(body, kWanted), "cri");
      break;
    case 'p':
      (void)cryptnono::runtime::parse_pods(body);
      break;
    case 'c':
      (void)cryptnono::runtime::parse_containers(body);
      break;
    default:
      break;
  }
  return 0;
}
