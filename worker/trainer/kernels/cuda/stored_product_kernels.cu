// Products of many rows with a quantised weight, as training and reading prompts make them: matrix
// units multiply tiles whose part of the weight is dequantised on its way to them, so that its
// values never reach memory. While one tile is multiplied, the next is fetched into registers.

#include "worker/trainer/kernels/cuda/dispatch.h"
#include "worker/trainer/kernels/cuda/stored_tiles.h"

namespace lathe::trainer::kernels::cuda {
namespace {

using namespace stored;

/// Threads that read a row of the weight's tile.
constexpr int kSteps = kDepth / kWeightStep;
static_assert(kColumns == kDepth && kColumns * kSteps == kThreads,
              "a thread reads one step of the weight, whichever way it lies");
/// Rows of x that a block multiplies, at most.
constexpr int kMostTileRows = 128;
/// Two rounds of the multiprocessors of a large GPU.
constexpr std::int64_t kEnoughBlocks = 264;
/// A part of a sum that is worth a block and a pass over its result.
constexpr std::int64_t kLeastDepth = 512;

/// Blocks on a multiprocessor: as many as registers allow.
LATHE_HOST_DEVICE constexpr int RoomFor(int rows) {
  return rows == kMostTileRows ? 2 : 4;
}

/// What a thread has fetched of the next tile.
template <class T, int kRows, class Reader>
struct Fetched {
  using Share = Shares<kRows>;
  Pack<T, kPiece> x[Share::kPiecesEach];
  typename Reader::Step weight;

  LATHE_DEVICE void Fetch(const TilesCall& call, const Reader& reader, const Place& place,
                          std::int64_t k) {
    LATHE_UNROLL for (int i = 0; i < Share::kPiecesEach; ++i) {
      const int piece = static_cast<int>(ThreadIndex()) + i * kThreads;
      const std::int64_t row = place.row + piece / kPieces;
      const std::int64_t column = k + piece % kPieces * kPiece;
      x[i] = row < call.rows && column < call.depth
                 ? LoadPack<T, kPiece>(static_cast<const T*>(call.x) + row * call.x_stride + column)
                 : Pack<T, kPiece>{};
    }
    const int line = static_cast<int>(ThreadIndex()) / kSteps;
    const int within = static_cast<int>(ThreadIndex()) % kSteps * kWeightStep;
    const std::int64_t out = (call.through ? k : place.column) + line;
    const std::int64_t in = (call.through ? place.column : k) + within;
    const std::int64_t outs = call.through ? call.depth : call.columns;
    const std::int64_t ins = call.through ? call.columns : call.depth;
    // Beyond the weight any number will do: what it is multiplied by is 0, or the result not
    // wanted.
    weight = out < outs && in < ins ? reader.Read(out, in, ins) : typename Reader::Step{};
  }

  LATHE_DEVICE void Store(const Reader& reader, Shared<T, kRows>& shared) const {
    LATHE_UNROLL for (int i = 0; i < Share::kPiecesEach; ++i) {
      const int piece = static_cast<int>(ThreadIndex()) + i * kThreads;
      StorePack(x[i], shared.left + piece / kPieces * kStride + piece % kPieces * kPiece);
    }
    T* to = shared.right + static_cast<int>(ThreadIndex()) / kSteps * kStride +
            static_cast<int>(ThreadIndex()) % kSteps * kWeightStep;
    const auto step = reader.ValuesOf(weight);
    LATHE_UNROLL for (int first = 0; first < kWeightStep; first += kPiece) {
      Pack<T, kPiece> values;
      LATHE_UNROLL for (int n = 0; n < kPiece; ++n) {
        values.values[n] = FromFloat<T>(step.At(first + n));
      }
      StorePack(values, to + first);
    }
  }
};

template <class T, int kRows>
LATHE_DEVICE Place PlaceOf(const TilesCall& call) {
  const std::int64_t down = (call.rows + kRows - 1) / kRows;
  const std::int64_t across = (call.columns + kColumns - 1) / kColumns;
  const auto block = static_cast<std::int64_t>(BlockIndex());
  // Blocks that read the same part of the weight run side by side.
  return {block % down * kRows, block / down % across * kColumns, block / down / across};
}

template <class T, int kRows, bool kThrough>
LATHE_DEVICE void Write(const TilesCall& call, const Place& place, Sums<T, kRows, kThrough>& sums) {
  const T* bias = static_cast<const T*>(call.addition.bias);
  float* partial =
      call.partial == nullptr ? nullptr : call.partial + place.split * call.rows * call.columns;
  sums.ForEach([&](int r, int c, float& value) {
    const std::int64_t row = place.row + r;
    const std::int64_t column = place.column + c;
    if (row >= call.rows || column >= call.columns) return;
    if (partial != nullptr) {
      partial[row * call.columns + column] = value;
    } else {
      static_cast<T*>(call.y)[row * call.y_stride + column] =
          FromFloat<T>(bias == nullptr ? value : value + ToFloat(bias[column]));
    }
  });
}

template <class T, int kRows, bool kThrough, class Reader>
LATHE_DEVICE void MultiplyTiles(const TilesCall& call, const Reader& reader,
                                Shared<T, kRows>& shared) {
  const Place place = PlaceOf<T, kRows>(call);
  const std::int64_t steps = (call.depth + kDepth - 1) / kDepth;
  const std::int64_t end = steps * (place.split + 1) / call.splits;
  std::int64_t step = steps * place.split / call.splits;
  Fetched<T, kRows, Reader> fetched;
  fetched.Fetch(call, reader, place, step * kDepth);
  Sums<T, kRows, kThrough> sums;
  sums.Clear();
  if (call.addition.left != nullptr && place.split == 0) {
    AddLowRank<T, kRows, kThrough>(call, place, shared, sums);
  }
  for (; step < end; ++step) {
    SyncBlock();  // The tile before has been read.
    fetched.Store(reader, shared);
    SyncBlock();
    if (step + 1 < end) fetched.Fetch(call, reader, place, (step + 1) * kDepth);
    LATHE_UNROLL for (int k = 0; k < kDepth; k += kTileDepth) sums.Add(shared, k);
  }
  Write<T, kRows, kThrough>(call, place, sums);
}

template <class T, int kRows, bool kThrough>
LATHE_KERNEL_WITH_ROOM(kThreads, RoomFor(kRows))
FourBitTilesKernel(TilesCall call, FourBit matrix, Tables given) {
  LATHE_SHARED Tables tables;
  LATHE_SHARED Shared<T, kRows> shared;
  ShareTables(given, tables);
  MultiplyTiles<T, kRows, kThrough>(call, FourBitReader{matrix, &tables}, shared);
}

template <class T, int kRows, bool kThrough>
LATHE_KERNEL_WITH_ROOM(kThreads, RoomFor(kRows))
Int8TilesKernel(TilesCall call, Int8Reader reader) {
  LATHE_SHARED Shared<T, kRows> shared;
  MultiplyTiles<T, kRows, kThrough>(call, reader, shared);
}

template <class T>
LATHE_KERNEL PartialsKernel(PartialsCall call) {
  const std::int64_t index = static_cast<std::int64_t>(BlockIndex()) * BlockSize() + ThreadIndex();
  const std::int64_t size = call.rows * call.columns;
  if (index >= size) return;
  float sum = 0;
  for (std::int64_t i = 0; i < call.count; ++i) sum += call.partial[i * size + index];
  const std::int64_t column = index % call.columns;
  if (call.bias != nullptr) sum += ToFloat(static_cast<const T*>(call.bias)[column]);
  static_cast<T*>(call.y)[index / call.columns * call.y_stride + column] = FromFloat<T>(sum);
}

/// What an instance is made for.
template <class Type, int N, bool through>
struct TilesInstance {
  using T = Type;
  static constexpr int kRows = N;
  static constexpr bool kThrough = through;
};

int TileRowsFor(std::int64_t rows) {
  return rows <= kTileRows           ? kTileRows
         : rows <= kMostTileRows / 2 ? kMostTileRows / 2
                                     : kMostTileRows;
}

std::int64_t BlocksFor(std::int64_t rows, std::int64_t columns) {
  return DivideUp(rows, TileRowsFor(rows)) * DivideUp(columns, kColumns);
}

template <class T, bool kThrough, class Body>
void ForTileRows(std::int64_t rows, const Body& body) {
  switch (TileRowsFor(rows)) {
    case kTileRows:
      return body(TilesInstance<T, kTileRows, kThrough>{});
    case kMostTileRows / 2:
      return body(TilesInstance<T, kMostTileRows / 2, kThrough>{});
    default:
      return body(TilesInstance<T, kMostTileRows, kThrough>{});
  }
}
template <class T, class Body>
void ForSide(const TilesCall& call, const Body& body) {
  return call.through ? ForTileRows<T, true>(call.rows, body)
                      : ForTileRows<T, false>(call.rows, body);
}
template <class Body>
void ForTilesInstance(const TilesCall& call, const Body& body) {
  return call.element == Element::kBfloat16 ? ForSide<Bf16>(call, body) : ForSide<Fp16>(call, body);
}

}  // namespace

std::int64_t SplitsFor(std::int64_t rows, std::int64_t depth, std::int64_t columns) {
  const std::int64_t wanted = kEnoughBlocks / BlocksFor(rows, columns);
  const std::int64_t most = depth / kLeastDepth;
  const std::int64_t splits = wanted < most ? wanted : most;
  return splits < 1 ? 1 : splits;
}

void MultiplyFourBitTiles(const TilesCall& call, const FourBitWeight& weight, void* stream) {
  const Tables tables = TablesOf(weight);
  const FourBit matrix = OnDevice(weight);
  const std::int64_t blocks = BlocksFor(call.rows, call.columns) * call.splits;
  ForTilesInstance(call, [&](auto instance) {
    using I = decltype(instance);
    Launch(FourBitTilesKernel<typename I::T, I::kRows, I::kThrough>, blocks, kThreads, stream, call,
           matrix, tables);
  });
}

void MultiplyInt8Tiles(const TilesCall& call, const std::int8_t* codes, const float* absmax,
                       void* stream) {
  const Int8Reader reader{codes, absmax};
  const std::int64_t blocks = BlocksFor(call.rows, call.columns) * call.splits;
  ForTilesInstance(call, [&](auto instance) {
    using I = decltype(instance);
    Launch(Int8TilesKernel<typename I::T, I::kRows, I::kThrough>, blocks, kThreads, stream, call,
           reader);
  });
}

void AddPartials(const PartialsCall& call, void* stream) {
  ForInstance(call.element, false, [&](auto instance) {
    Launch(PartialsKernel<typename decltype(instance)::Type>,
           DivideUp(call.rows * call.columns, kThreads), kThreads, stream, call);
  });
}

}  // namespace lathe::trainer::kernels::cuda
