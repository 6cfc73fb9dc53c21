#pragma once
// The device that a process computes on: chosen by name, asked for its memory.

#include <ATen/core/Tensor.h>

#include <string>

#include "common/base/result.h"

namespace lathe::trainer::device {

/// "cpu" or "cuda:N". kInvalidArgument for another name; kFailedPrecondition when the program was
/// built for CPUs alone, or the machine has no such GPU.
Result<at::Device> Open(const std::string& name);

/// Bytes in use now: the process's resident set on a CPU, what tensors occupy on a GPU.
std::int64_t MemoryBytes(const at::Device& device);

/// Threads that operations divide their work among.
int Threads();

}  // namespace lathe::trainer::device
