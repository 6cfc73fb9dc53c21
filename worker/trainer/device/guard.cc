#include "worker/trainer/device/guard.h"

#include <c10/util/Exception.h>

#include <new>
#include <string>

namespace lathe::trainer::device {
namespace {

Error OutOfMemory(const std::string& detail) {
  return {ErrorCode::kResourceExhausted,
          "out of memory: lower schedule.batchSize (and raise schedule.gradientAccumulation to "
          "keep the result), lower schedule.sequenceLength, or enable gradient_checkpointing (" +
              detail + ")",
          {{.path = "schedule.batchSize",
            .code = kOutOfMemory,
            .message = "memory ran out",
            .given = {},
            .expected = "a smaller batch or shorter sequences"}}};
}

std::string FirstLine(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

Error CurrentException() {
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    return OutOfMemory(FirstLine(error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    const std::string text = FirstLine(error.what_without_backtrace());
    // The host's allocator, and CUDA and its libraries where torch's own allocator is not asked.
    for (const char* sign : {"can't allocate memory", "out of memory", "STATUS_ALLOC_FAILED"}) {
      if (text.find(sign) != std::string::npos) return OutOfMemory(text);
    }
    return {ErrorCode::kInternal, "libtorch: " + text, {}};
  } catch (const std::bad_alloc&) {
    return OutOfMemory("host memory");
  } catch (const std::exception& error) {
    return {ErrorCode::kInternal, error.what(), {}};
  }
}

}  // namespace lathe::trainer::device
