#pragma once
// LATHE_CHECK is for bugs only: a broken invariant ends the process, in release builds too, because
// a scheduler that goes on with broken state loses jobs. What can happen is a Result instead.

#include <string_view>

namespace lathe {

/// Prints file, line, condition and message to standard error and aborts.
[[noreturn]] void CheckFailed(std::string_view file, int line, std::string_view condition,
                              std::string_view message);

}  // namespace lathe

#define LATHE_CHECK(condition, message)                                \
  do {                                                                 \
    if (!(condition)) [[unlikely]] {                                   \
      ::lathe::CheckFailed(__FILE__, __LINE__, #condition, (message)); \
    }                                                                  \
  } while (false)
