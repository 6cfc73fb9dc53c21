#pragma once
// Result<T>: a value or an Error. The only channel for what can go wrong at run time.
//
//   Result<Plan> plan = ReadPlan(path);
//   if (!plan) return Failure(plan.error().WithContext("start attempt"));

#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "common/base/error.h"

namespace lathe {

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> Failure(Error error) {
  return tl::unexpected<Error>(std::move(error));
}
inline tl::unexpected<Error> Failure(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message), {}});
}

}  // namespace lathe

#define LATHE_CONCAT_INNER(a, b) a##b
#define LATHE_CONCAT(a, b) LATHE_CONCAT_INNER(a, b)

/// Returns the error of a Status or Result expression to the caller.
#define LATHE_RETURN_IF_ERROR(expression)                                       \
  do {                                                                          \
    if (auto lathe_status = (expression); !lathe_status) {                      \
      return ::tl::unexpected<::lathe::Error>(std::move(lathe_status.error())); \
    }                                                                           \
  } while (false)

/// LATHE_ASSIGN_OR_RETURN(auto value, Compute()); binds the value or returns the error.
#define LATHE_ASSIGN_OR_RETURN(declaration, expression) \
  LATHE_ASSIGN_OR_RETURN_INNER(LATHE_CONCAT(lathe_result_, __LINE__), declaration, expression)
#define LATHE_ASSIGN_OR_RETURN_INNER(result, declaration, expression)   \
  auto result = (expression);                                           \
  if (!result) {                                                        \
    return ::tl::unexpected<::lathe::Error>(std::move(result.error())); \
  }                                                                     \
  declaration = std::move(*result)
