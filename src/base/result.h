// Errors as values: Result<T> and TRY.
//
// A function that can fail for a reason outside the program returns Result<T>. The Error says what
// failed, in words that an operator can act on, with every file, line and value that is known where
// it happened. A caller that cannot handle an error passes it on (TRY) or adds context
// (with_context). Only main, the reload and the event loop log one, once.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

namespace cryptnono {

// What the process exits with when an error ends it. The values are part of the command-line
// contract.
enum class ExitCode : int {
  kOk = 0,
  kFailure = 1,         // something failed at run time
  kUsage = 2,           // the command line is wrong
  kConfig = 3,          // a configuration or rule file is wrong
  kUnsupported = 4,     // the kernel lacks a feature that is required
  kNotPermitted = 5,    // the feature exists, but this process may not use it
  kExplainKilled = 10,  // `explain`: the command line would be killed
  kNotReady = 11,       // `status`: the daemon is not ready
  kNoDaemon = 12        // `status`: no daemon answers
};

struct Error {
  std::string message;
  ExitCode code = ExitCode::kFailure;
};

template <typename T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(std::string message, ExitCode code = ExitCode::kFailure) {
  return tl::unexpected<Error>(Error{std::move(message), code});
}

// `what` and the text of `errnum` (an errno value). EPERM and EACCES become
// ExitCode::kNotPermitted.
tl::unexpected<Error> fail_errno(std::string_view what, int errnum);

// The same error with "context: " in front of its message.
Error with_context(std::string_view context, Error error);

namespace internal {
// The value of a result that has one. tl::expected<void> has no value() for rvalues.
template <typename T>
T take(Result<T>&& result) {
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}
}  // namespace internal

}  // namespace cryptnono

// TRY(expr): the value of a Result, or return its error from the enclosing function. Uses a GNU
// statement expression, which both compilers that we support have.
#define TRY(expression)                                                      \
  __extension__({                                                            \
    auto&& try_result_ = (expression);                                       \
    if (!try_result_) return tl::unexpected(std::move(try_result_).error()); \
    ::cryptnono::internal::take(std::move(try_result_));                     \
  })
