#pragma once
// The words that kernels are written in. A CUDA compiler turns them into device code; any other
// C++ compiler runs the same kernels on the CPU, thread by thread (emulation.h), so that their
// indices, barriers and reductions are tested where there is no GPU. Kernels use these words and
// nothing else of CUDA. C++17.

#include <cstdint>

#if defined(__CUDACC__)

#include <cuda_runtime.h>

#define LATHE_KERNEL __global__ void
/// One whose registers leave room for so many blocks of so many threads on a multiprocessor.
#define LATHE_KERNEL_WITH_ROOM(threads, blocks) __global__ void __launch_bounds__(threads, blocks)
#define LATHE_DEVICE __device__ __forceinline__
#define LATHE_HOST_DEVICE __host__ __device__ __forceinline__
/// An array that the threads of a block share; uninitialised when a block starts.
#define LATHE_SHARED __shared__
/// The loop behind it is written out: arrays that it indexes stay in registers.
#define LATHE_UNROLL _Pragma("unroll")

namespace lathe::trainer::kernels::cuda {

LATHE_DEVICE unsigned ThreadIndex() {
  return threadIdx.x;
}
LATHE_DEVICE unsigned BlockIndex() {
  return blockIdx.x;
}
LATHE_DEVICE unsigned BlockSize() {
  return blockDim.x;
}
LATHE_DEVICE unsigned GridSize() {
  return gridDim.x;
}
/// Every thread of the block reaches it before any goes on.
LATHE_DEVICE void SyncBlock() {
  __syncthreads();
}
/// The value of the thread of this warp whose number differs in the bits of the mask; every thread
/// of the warp calls it.
template <class T>
LATHE_DEVICE T ShuffleXor(T value, int mask) {
  return __shfl_xor_sync(0xffffffffU, value, mask);
}

/// To and from the 16 bits of a bf16 and an fp16 number, to the nearest, halves to even: one
/// instruction each.
LATHE_DEVICE std::uint16_t Bf16BitsOf(float value) {
  std::uint16_t bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
LATHE_DEVICE std::uint16_t Fp16BitsOf(float value) {
  std::uint16_t bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
LATHE_DEVICE float FromFp16Bits(std::uint16_t bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

/// Queues a kernel on a stream (a cudaStream_t). Blocks are one-dimensional.
template <class... Parameters, class... Arguments>
void Launch(void (*kernel)(Parameters...), std::int64_t blocks, int threads, void* stream,
            const Arguments&... arguments) {
  if (blocks == 0) return;
  kernel<<<static_cast<unsigned>(blocks), static_cast<unsigned>(threads), 0,
           static_cast<cudaStream_t>(stream)>>>(arguments...);
}

/// nullptr, or what the last launch of this thread was refused for.
inline const char* LaunchError() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace lathe::trainer::kernels::cuda

#else

#include "worker/trainer/kernels/cuda/emulation.h"

#define LATHE_KERNEL static void
#define LATHE_KERNEL_WITH_ROOM(threads, blocks) static void
#define LATHE_DEVICE inline
#define LATHE_HOST_DEVICE inline
#define LATHE_SHARED static
#define LATHE_UNROLL

#endif

namespace lathe::trainer::kernels::cuda {
inline constexpr int kWarp = 32;
}
