#pragma once
// The device that a process computes on: chosen by name, asked for its memory.

#include <ATen/core/Tensor.h>

#include <string>

#include "common/base/result.h"

namespace lathe::trainer::device {

/// "cpu" or "cuda:N". kInvalidArgument for another name; kFailedPrecondition when the program was
/// built for CPUs alone, or the machine has no such GPU.
Result<at::Device> Open(const std::string& name);

/// The process's resident set on a CPU, now; on a GPU the most that tensors have occupied so far.
std::int64_t MemoryBytes(const at::Device& device);

/// The same, on a CPU too the most so far.
std::int64_t PeakMemoryBytes(const at::Device& device);

/// Bytes that may yet be used: of the machine's memory on a CPU, of its own on a GPU.
std::int64_t AvailableBytes(const at::Device& device);

/// Threads that operations divide their work among.
int Threads();

}  // namespace lathe::trainer::device
