// Products of a few rows with a quantised weight, as decoding makes them: they wait for the weight
// to be read, so its values never reach memory. A warp computes some outputs of all rows, so that
// what it reads of them serves several.

#include "worker/trainer/kernels/cuda/dispatch.h"
#include "worker/trainer/kernels/cuda/reduce.h"
#include "worker/trainer/kernels/cuda/weight_steps.h"

namespace lathe::trainer::kernels::cuda {
namespace {

constexpr int kThreads = 128;
/// Blocks that wait for memory together on a multiprocessor.
constexpr int kBlocks = 4;
/// Values of the weight that a thread reads at once, and of x.
constexpr int kStep = kWeightStep;
constexpr int kPiece = 8;

/// Outputs of a warp: as many as registers hold the sums of.
LATHE_HOST_DEVICE constexpr int OutputsFor(int rows) {
  return rows == 4 ? 4 : 2;
}

/// The share of this lane in what the low-rank product adds to an output of a row.
template <class T>
LATHE_DEVICE float AddedBy(const Addition& addition, std::int64_t row, std::int64_t output) {
  const T* left = static_cast<const T*>(addition.left) + row * addition.left_stride;
  const T* right = static_cast<const T*>(addition.right) + output * addition.right_stride;
  float sum = 0;
  for (std::int64_t k = ThreadIndex() % kWarp; k < addition.rank; k += kWarp) {
    sum += ToFloat(left[k]) * ToFloat(right[k * addition.right_step]);
  }
  return addition.scale * sum;
}

template <class T, int kRows, class Reader>
LATHE_DEVICE void MultiplyRows(const FewRowsCall& call, const Reader& reader) {
  constexpr int kOutputs = OutputsFor(kRows);
  const std::int64_t warp =
      static_cast<std::int64_t>(BlockIndex()) * (BlockSize() / kWarp) + ThreadIndex() / kWarp;
  const std::int64_t lane = ThreadIndex() % kWarp;
  const std::int64_t first = warp * kOutputs;
  if (first >= call.out) return;
  float sums[kOutputs][kRows] = {};
  for (std::int64_t i = lane * kStep; i < call.in; i += kWarp * kStep) {
    decltype(reader.ValuesOf({})) steps[kOutputs];
    // What is too much is computed of the last output or row, and not written.
    LATHE_UNROLL for (int o = 0; o < kOutputs; ++o) {
      const std::int64_t row = first + o < call.out ? first + o : call.out - 1;
      steps[o] = reader.ValuesOf(reader.Read(row, i, call.in));
    }
    LATHE_UNROLL for (int piece = 0; piece < kStep; piece += kPiece) {
      Pack<T, kPiece> x[kRows];
      LATHE_UNROLL for (int r = 0; r < kRows; ++r) {
        const std::int64_t row = r < call.rows ? r : call.rows - 1;
        x[r] = LoadPack<T, kPiece>(static_cast<const T*>(call.x) + row * call.in + i + piece);
      }
      LATHE_UNROLL for (int o = 0; o < kOutputs; ++o) {
        LATHE_UNROLL for (int k = 0; k < kPiece; ++k) {
          const float w = ToFloat(FromFloat<T>(steps[o].At(piece + k)));
          LATHE_UNROLL for (int r = 0; r < kRows; ++r) {
            sums[o][r] += w * ToFloat(x[r].values[k]);
          }
        }
      }
    }
  }
  const T* bias = static_cast<const T*>(call.addition.bias);
  LATHE_UNROLL for (int o = 0; o < kOutputs; ++o) {
    LATHE_UNROLL for (int r = 0; r < kRows; ++r) {
      const bool written = r < call.rows && first + o < call.out;
      if (written && call.addition.left != nullptr) {
        sums[o][r] += AddedBy<T>(call.addition, r, first + o);
      }
      const float sum = WarpReduce<Sum>(sums[o][r]);
      if (lane != 0 || !written) continue;
      static_cast<T*>(call.y)[r * call.y_stride + first + o] =
          FromFloat<T>(bias == nullptr ? sum : sum + ToFloat(bias[first + o]));
    }
  }
}

template <class T, int kRows>
LATHE_KERNEL_WITH_ROOM(kThreads, kBlocks)
FourBitRowsKernel(FewRowsCall call, FourBit matrix, Tables tables) {
  LATHE_SHARED Tables shared;
  ShareTables(tables, shared);
  MultiplyRows<T, kRows>(call, FourBitReader{matrix, &shared});
}

template <class T, int kRows>
LATHE_KERNEL_WITH_ROOM(kThreads, kBlocks)
Int8RowsKernel(FewRowsCall call, Int8Reader reader) {
  MultiplyRows<T, kRows>(call, reader);
}

/// As many rows as an instance is made for.
template <int N>
struct RowCount {
  static constexpr int kRows = N;
  static constexpr int kOutputs = kThreads / kWarp * OutputsFor(N);  ///< of a block
};
template <class Body>
void ForRowCount(std::int64_t rows, const Body& body) {
  if (rows == 1) return body(RowCount<1>{});
  if (rows == 2) return body(RowCount<2>{});
  if (rows <= 4) return body(RowCount<4>{});
  body(RowCount<static_cast<int>(kMostRows)>{});
}

}  // namespace

void MultiplyFourBit(const FewRowsCall& call, const FourBitWeight& weight, void* stream) {
  const Tables tables = TablesOf(weight);
  const FourBit matrix = OnDevice(weight);
  ForInstance(call.element, false, [&](auto instance) {
    ForRowCount(call.rows, [&](auto count) {
      using Count = decltype(count);
      Launch(FourBitRowsKernel<typename decltype(instance)::Type, Count::kRows>,
             DivideUp(call.out, Count::kOutputs), kThreads, stream, call, matrix, tables);
    });
  });
}

void MultiplyInt8(const FewRowsCall& call, const std::int8_t* codes, const float* absmax,
                  void* stream) {
  const Int8Reader reader{codes, absmax};
  ForInstance(call.element, false, [&](auto instance) {
    ForRowCount(call.rows, [&](auto count) {
      using Count = decltype(count);
      Launch(Int8RowsKernel<typename decltype(instance)::Type, Count::kRows>,
             DivideUp(call.out, Count::kOutputs), kThreads, stream, call, reader);
    });
  });
}

}  // namespace lathe::trainer::kernels::cuda
