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

/// A warp's product on its matrix unit: d [16, 8] += a [16, 16] b [16, 8], sums in fp32. Lane l
/// holds, with g = l / 4 and t = l % 4, pairs of 16-bit values side by side in a word, the first in
/// the low half:
///
///   a[0], a[1]: row g, g + 8, columns 2t and 2t + 1;  a[2], a[3]: the same, eight columns further
///   b[0], b[1]: column g, rows 2t and 2t + 1; eight rows further
///   d[0], d[1]: row g, columns 2t and 2t + 1;  d[2], d[3]: row g + 8
///
/// (PTX ISA, "Matrix Fragments for mma.m16n8k16"). Every lane of the warp calls it.
LATHE_DEVICE void MultiplyBf16Tiles(float (&d)[4], const std::uint32_t (&a)[4],
                                    const std::uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
LATHE_DEVICE void MultiplyFp16Tiles(float (&d)[4], const std::uint32_t (&a)[4],
                                    const std::uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/// Four tiles of 8 x 8 16-bit values from what a block shares. Lane 8 i + r gives where row r of
/// tile i lies, on 16 bytes; lane l gets of each tile the values 2t and 2t + 1 of row g. Every lane
/// of the warp calls it.
LATHE_DEVICE void LoadTiles(std::uint32_t (&tiles)[4], const void* row) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(tiles[0]), "=r"(tiles[1]), "=r"(tiles[2]), "=r"(tiles[3])
               : "r"(address)
               : "memory");
}
/// Lane l gets of each tile value g of rows 2t and 2t + 1.
LATHE_DEVICE void LoadTilesTransposed(std::uint32_t (&tiles)[4], const void* row) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(tiles[0]), "=r"(tiles[1]), "=r"(tiles[2]), "=r"(tiles[3])
               : "r"(address)
               : "memory");
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
