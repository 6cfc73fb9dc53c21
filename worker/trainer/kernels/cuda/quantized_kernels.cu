// Quantised weights to values: what stands in front of a product. Bits are those of the CPU's
// loops.

#include "worker/trainer/kernels/cuda/dispatch.h"

namespace lathe::trainer::kernels::cuda {
namespace {

constexpr int kThreads = 256;
/// Values that a thread takes at a time: four bytes of codes, 16 bytes of bf16.
constexpr int kPiece = 8;
/// Pieces a thread: the tables that a block copies first pay off.
constexpr int kPieces = 4;
constexpr int kCodes = 16;
constexpr int kMap = 256;
constexpr std::int64_t kBlock = 64;
constexpr std::int64_t kNestedBlock = 256;

struct Tables {
  float values[kCodes];
  float map[kMap];
};

/// What the kernel knows of a call; pointers to device memory only.
struct FourBit {
  std::int64_t count;
  const std::uint8_t* codes;
  const float* absmax;
  const std::uint8_t* absmax_codes;
  const float* nested_absmax;
  float offset;
  void* out;
};

LATHE_DEVICE float ScaleOf(const FourBit& matrix, const float* map, std::int64_t block) {
  if (matrix.absmax != nullptr) return matrix.absmax[block];
  return MultiplyThenAdd(map[matrix.absmax_codes[block]],
                         matrix.nested_absmax[block / kNestedBlock], matrix.offset);
}

template <class T, bool kAligned>
LATHE_DEVICE void DequantizePiece(const FourBit& matrix, const Tables& tables, std::int64_t begin) {
  T* out = static_cast<T*>(matrix.out) + begin;
  const float scale = ScaleOf(matrix, tables.map, begin / kBlock);
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
LATHE_KERNEL FourBitKernel(FourBit matrix, Tables tables) {
  // Every thread of a warp may want another entry: shared memory serves that, constants do not.
  LATHE_SHARED Tables shared;
  for (unsigned i = ThreadIndex(); i < kMap; i += BlockSize()) shared.map[i] = tables.map[i];
  if (ThreadIndex() < kCodes) shared.values[ThreadIndex()] = tables.values[ThreadIndex()];
  SyncBlock();
  const std::int64_t first =
      static_cast<std::int64_t>(BlockIndex()) * kThreads * kPieces + ThreadIndex();
  for (int i = 0; i < kPieces; ++i) {
    const std::int64_t begin = (first + i * kThreads) * kPiece;
    if (begin < matrix.count) DequantizePiece<T, kAligned>(matrix, shared, begin);
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
  Tables tables;
  for (int i = 0; i < kCodes; ++i) tables.values[i] = call.values[i];
  for (int i = 0; i < kMap; ++i) tables.map[i] = call.map[i];
  const FourBit matrix{call.count,         call.codes,  call.absmax, call.absmax_codes,
                       call.nested_absmax, call.offset, call.out};
  const bool aligned = Aligned(call.element, {call.out}, {}) &&
                       reinterpret_cast<std::uintptr_t>(call.codes) % (kPiece / 2) == 0;
  const std::int64_t blocks = DivideUp(call.count, std::int64_t{kThreads} * kPieces * kPiece);
  ForInstance(call.element, false, [&](auto instance) {
    using T = typename decltype(instance)::Type;
    const auto kernel = aligned ? FourBitKernel<T, true> : FourBitKernel<T, false>;
    Launch(kernel, blocks, kThreads, stream, matrix, tables);
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
