#include "base/result.h"

#include <cstring>

namespace cryptnono {

tl::unexpected<Error> fail_errno(std::string_view what, int errnum) {
  const bool denied = errnum == EPERM || errnum == EACCES;
  // strerror's table is constant for the locale "C", which the program never leaves.
  return fail(std::string(what) + ": " + std::strerror(errnum),  // NOLINT(concurrency-mt-unsafe)
              denied ? ExitCode::kNotPermitted : ExitCode::kFailure);
}

Error with_context(std::string_view context, Error error) {
  error.message = std::string(context) + ": " + error.message;
  return error;
}

}  // namespace cryptnono
