#pragma once
// Work for a call on a thread of our own. What is thrown on gRPC's threads ends the call; elsewhere
// it would end the process.

#include <exception>
#include <string>

#include "common/base/log.h"
#include "common/base/result.h"

namespace lathe::rpc {

/// What work() returns, a Status; kInternal, and a line in the log, when it throws (memory that ran
/// out, a library's exception).
template <class Work>
Status Guarded(const Work& work) {
  try {
    return work();
  } catch (const std::exception& error) {
    log::Failure("call_threw", {{"what", error.what()}});
    return Failure(ErrorCode::kInternal,
                   std::string("the call could not be carried out: ") + error.what() + ".");
  }
}

}  // namespace lathe::rpc
