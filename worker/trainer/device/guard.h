#pragma once
// The edge between libtorch's exceptions and our results.

#include "common/base/result.h"

namespace lathe::trainer::device {

/// The finding code that marks an Error as memory running out (host or device).
inline constexpr char kOutOfMemory[] = "out_of_memory";

/// Turns the exception being handled into an Error; call it inside a catch block.
Error CurrentException();

/// Calls a function that returns a Result or Status; exceptions become its error.
template <class Function>
auto Guard(const Function& function) -> decltype(function()) {
  try {
    return function();
  } catch (...) {
    return Failure(CurrentException());
  }
}

}  // namespace lathe::trainer::device
