#pragma once
// The bytes of one tensor of an export, a few rows at a time. Private to this room.

#include <cstddef>
#include <functional>
#include <span>

#include "worker/trainer/merge/tensors.h"

namespace lathe::trainer::merge {

using ByteWriter = std::function<Status(std::span<const std::byte>)>;

/// Hands all bytes of the tensor to `write`, in order. What has been read of the source leaves the
/// process's memory.
Status StreamTensor(const OutputTensor& tensor, const adapters::MergedWeights& merged,
                    const ByteWriter& write);

}  // namespace lathe::trainer::merge
