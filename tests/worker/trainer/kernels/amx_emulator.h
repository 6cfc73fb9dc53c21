#pragma once
// AMX's bf16 instructions on a processor that has none of them: a handler of SIGILL does what the
// instruction under way would have done, so that tests run the very machine code of the kernels.
// What the processor would refuse ends the process with a message: tile registers that are not
// configured or do not fit each other, configurations with reserved bytes.

#include <cstdint>

namespace lathe::trainer::kernels {

/// Whether this processor has everything else that the kernels use.
bool CanEmulateMatrixUnits();

/// From now on, for the whole process and all its threads.
void EmulateMatrixUnits();

/// Products of tile registers that were emulated so far, on all threads.
std::int64_t EmulatedProducts();

/// Threads' tile registers that are configured: 0 when every use was ended.
std::int64_t ConfiguredThreads();

}  // namespace lathe::trainer::kernels
