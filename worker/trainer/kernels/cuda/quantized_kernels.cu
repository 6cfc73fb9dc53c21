// Quantised weights to values: what stands in front of a product. Bits are those of the CPU's
// loops.

#include "worker/trainer/kernels/cuda/dispatch.h"
#include "worker/trainer/kernels/cuda/four_bit.h"

namespace lathe::trainer::kernels::cuda {
namespace {

constexpr int kThreads = 256;
/// Values that a thread takes at a time: four bytes of codes, 16 bytes of bf16.
constexpr int kPiece = 8;
/// Pieces a thread: the tables that a block copies first pay off.
constexpr int kPieces = 4;
template <class T, bool kAligned>
LATHE_DEVICE void DequantizePiece(const FourBit& matrix, const Tables& tables, std::int64_t begin,
                                  T* all) {
  T* out = all + begin;
  const float scale = ScaleOf(matrix, tables.map, ReadScale(matrix, begin / kFourBitBlock));
  if (!kAligned || begin + kPiece > matrix.count) {
    for (int k = 0; k < kPiece && begin + k < matrix.count; ++k) {
      const std::uint8_t packed = matrix.codes[(begin + k) / 2];
      const int code = k % 2 == 0 ? packed >> 4 : packed & 15;
      out[k] = FromFloat<T>(tables.values[code] * scale);
    }
    return;
  }
  const auto packed = LoadPack<std::uint8_t, kPiece / 2>(matrix.codes + begin / 2);
  constexpr int kStore = kAccessBytes / sizeof(T);
  for (int first = 0; first < kPiece; first += kStore) {
    Pack<T, kStore> pack;
    for (int k = 0; k < kStore; ++k) {
      const std::uint8_t both = packed.values[(first + k) / 2];
      pack.values[k] = FromFloat<T>(tables.values[k % 2 == 0 ? both >> 4 : both & 15] * scale);
    }
    StorePack(pack, out + first);
  }
}

template <class T, bool kAligned>
LATHE_KERNEL FourBitKernel(FourBit matrix, Tables tables, T* out) {
  LATHE_SHARED Tables shared;
  ShareTables(tables, shared);
  const std::int64_t first =
      static_cast<std::int64_t>(BlockIndex()) * kThreads * kPieces + ThreadIndex();
  for (int i = 0; i < kPieces; ++i) {
    const std::int64_t begin = (first + i * kThreads) * kPiece;
    if (begin < matrix.count) DequantizePiece<T, kAligned>(matrix, shared, begin, out);
  }
}

template <class T, int N>
LATHE_KERNEL Int8Kernel(Int8Call call) {
  const std::int64_t pieces = call.columns / N;
  const std::int64_t index = static_cast<std::int64_t>(BlockIndex()) * BlockSize() + ThreadIndex();
  if (index >= call.rows * pieces) return;
  const float scale = call.absmax[index / pieces] / 127.0F;
  const auto codes = LoadPack<std::int8_t, N>(call.codes + index * N);
  Pack<T, N> out;
  for (int k = 0; k < N; ++k) {
    out.values[k] = FromFloat<T>(static_cast<float>(codes.values[k]) * scale);
  }
  StorePack(out, static_cast<T*>(call.out) + index * N);
}

}  // namespace

void DequantizeFourBit(const FourBitCall& call, void* stream) {
  const Tables tables = TablesOf(call.weight);
  const FourBit matrix = OnDevice(call.weight);
  const bool aligned = Aligned(call.element, {call.out}, {}) &&
                       reinterpret_cast<std::uintptr_t>(call.weight.codes) % (kPiece / 2) == 0;
  const std::int64_t blocks =
      DivideUp(call.weight.count, std::int64_t{kThreads} * kPieces * kPiece);
  ForInstance(call.element, false, [&](auto instance) {
    using T = typename decltype(instance)::Type;
    const auto kernel = aligned ? FourBitKernel<T, true> : FourBitKernel<T, false>;
    Launch(kernel, blocks, kThreads, stream, matrix, tables, static_cast<T*>(call.out));
  });
}

void DequantizeInt8(const Int8Call& call, void* stream) {
  // Codes are read in pieces as long as what is written, which are shorter in bytes.
  const bool aligned = Aligned(call.element, {call.out, call.codes}, {call.columns});
  ForInstance(call.element, aligned, [&](auto instance) {
    using I = decltype(instance);
    const std::int64_t work = call.rows * (call.columns / I::kPack);
    Launch(Int8Kernel<typename I::Type, I::kPack>, DivideUp(work, kThreads), kThreads, stream,
           call);
  });
}

}  // namespace lathe::trainer::kernels::cuda
