// Norms, rotary positions and gated activations. All of them wait for memory: they read and write
// 16 bytes at a time and each value once or, where a row is summed first, twice, the second time
// from the cache.

#include "worker/trainer/kernels/cuda/dispatch.h"
#include "worker/trainer/kernels/cuda/reduce.h"

namespace lathe::trainer::kernels::cuda {
namespace {

constexpr int kThreads = 256;

template <class T>
LATHE_DEVICE const T* Row(const void* base, std::int64_t row, std::int64_t stride) {
  return static_cast<const T*>(base) + row * stride;
}
template <class T>
LATHE_DEVICE T* Row(void* base, std::int64_t row, std::int64_t stride) {
  return static_cast<T*>(base) + row * stride;
}

/// One block a row.
template <class T, int N>
LATHE_KERNEL RmsNormKernel(RmsNormCall call) {
  const std::int64_t row = BlockIndex();
  const T* x = Row<T>(call.x, row, call.width);
  const T* weight = static_cast<const T*>(call.weight);
  T* y = Row<T>(call.y, row, call.width);
  float sum = 0;
  for (std::int64_t i = ThreadIndex() * N; i < call.width; i += BlockSize() * N) {
    const Pack<T, N> pack = LoadPack<T, N>(x + i);
    for (int k = 0; k < N; ++k) sum += ToFloat(pack.values[k]) * ToFloat(pack.values[k]);
  }
  const float mean = BlockReduce<Sum>(sum) / static_cast<float>(call.width);
  const float rstd = 1.0F / sqrtf(mean + call.epsilon);
  if (ThreadIndex() == 0) call.rstd[row] = rstd;
  for (std::int64_t i = ThreadIndex() * N; i < call.width; i += BlockSize() * N) {
    const Pack<T, N> pack = LoadPack<T, N>(x + i);
    const Pack<T, N> scale = LoadPack<T, N>(weight + i);
    Pack<T, N> out;
    for (int k = 0; k < N; ++k) {
      const float w = call.offset + ToFloat(scale.values[k]);
      out.values[k] = FromFloat<T>(ToFloat(pack.values[k]) * rstd * w);
    }
    StorePack(out, y + i);
  }
}

/// The gradient of x at one element; projection is the mean of weighted * normed.
LATHE_DEVICE float NormGradient(float weighted, float normed, float projection, float rstd) {
  return (weighted - normed * projection) * rstd;
}

template <class T, int N>
LATHE_KERNEL RmsNormBackwardKernel(RmsNormBackwardCall call) {
  const std::int64_t row = BlockIndex();
  const T* x = Row<T>(call.x, row, call.width);
  const T* dy = Row<T>(call.dy, row, call.width);
  const T* weight = static_cast<const T*>(call.weight);
  T* dx = Row<T>(call.dx, row, call.width);
  const float rstd = call.rstd[row];
  float sum = 0;
  for (std::int64_t i = ThreadIndex() * N; i < call.width; i += BlockSize() * N) {
    const Pack<T, N> value = LoadPack<T, N>(x + i);
    const Pack<T, N> slope = LoadPack<T, N>(dy + i);
    const Pack<T, N> scale = LoadPack<T, N>(weight + i);
    for (int k = 0; k < N; ++k) {
      const float weighted = ToFloat(slope.values[k]) * (call.offset + ToFloat(scale.values[k]));
      sum += weighted * ToFloat(value.values[k]) * rstd;
    }
  }
  const float projection = BlockReduce<Sum>(sum) / static_cast<float>(call.width);
  for (std::int64_t i = ThreadIndex() * N; i < call.width; i += BlockSize() * N) {
    const Pack<T, N> value = LoadPack<T, N>(x + i);
    const Pack<T, N> slope = LoadPack<T, N>(dy + i);
    const Pack<T, N> scale = LoadPack<T, N>(weight + i);
    Pack<T, N> out = LoadPack<T, N>(dx + i);
    for (int k = 0; k < N; ++k) {
      const float weighted = ToFloat(slope.values[k]) * (call.offset + ToFloat(scale.values[k]));
      const float normed = ToFloat(value.values[k]) * rstd;
      out.values[k] =
          FromFloat<T>(ToFloat(out.values[k]) + NormGradient(weighted, normed, projection, rstd));
    }
    StorePack(out, dx + i);
  }
}

/// The head that this warp works on; every thread of a warp gets the same answer.
LATHE_DEVICE std::int64_t HeadOfWarp() {
  return static_cast<std::int64_t>(BlockIndex()) * (BlockSize() / kWarp) + ThreadIndex() / kWarp;
}

/// One warp a head.
template <class T, int N>
LATHE_KERNEL HeadNormKernel(HeadNormCall call) {
  const std::int64_t index = HeadOfWarp();
  if (index >= call.to.rows * call.to.count) return;
  T* head = Row<T>(call.to.heads, index / call.to.count, call.to.stride) +
            index % call.to.count * call.to.head_dim;
  const T* weight = static_cast<const T*>(call.weight);
  const int lane = static_cast<int>(ThreadIndex() % kWarp);
  float sum = 0;
  for (std::int64_t i = lane * N; i < call.to.head_dim; i += kWarp * N) {
    const Pack<T, N> pack = LoadPack<T, N>(head + i);
    for (int k = 0; k < N; ++k) sum += ToFloat(pack.values[k]) * ToFloat(pack.values[k]);
  }
  const float mean = WarpReduce<Sum>(sum) / static_cast<float>(call.to.head_dim);
  const float rstd = 1.0F / sqrtf(mean + call.epsilon);
  if (lane == 0) call.rstd[index] = rstd;
  for (std::int64_t i = lane * N; i < call.to.head_dim; i += kWarp * N) {
    Pack<T, N> pack = LoadPack<T, N>(head + i);
    const Pack<T, N> scale = LoadPack<T, N>(weight + i);
    for (int k = 0; k < N; ++k) {
      const float w = call.offset + ToFloat(scale.values[k]);
      pack.values[k] = FromFloat<T>(ToFloat(pack.values[k]) * rstd * w);
    }
    StorePack(pack, head + i);
  }
}

template <class T, int N>
LATHE_KERNEL HeadNormBackwardKernel(HeadNormBackwardCall call) {
  const std::int64_t index = HeadOfWarp();
  if (index >= call.d.rows * call.d.count) return;
  const std::int64_t column = index % call.d.count * call.d.head_dim;
  T* d = Row<T>(call.d.heads, index / call.d.count, call.d.stride) + column;
  const T* x = Row<T>(call.x, index / call.d.count, call.x_stride) + column;
  const T* weight = static_cast<const T*>(call.weight);
  const int lane = static_cast<int>(ThreadIndex() % kWarp);
  const float rstd = call.rstd[index];
  float sum = 0;
  for (std::int64_t i = lane * N; i < call.d.head_dim; i += kWarp * N) {
    const Pack<T, N> value = LoadPack<T, N>(x + i);
    const Pack<T, N> slope = LoadPack<T, N>(d + i);
    const Pack<T, N> scale = LoadPack<T, N>(weight + i);
    for (int k = 0; k < N; ++k) {
      const float weighted = ToFloat(slope.values[k]) * (call.offset + ToFloat(scale.values[k]));
      sum += weighted * ToFloat(value.values[k]) * rstd;
    }
  }
  const float projection = WarpReduce<Sum>(sum) / static_cast<float>(call.d.head_dim);
  for (std::int64_t i = lane * N; i < call.d.head_dim; i += kWarp * N) {
    const Pack<T, N> value = LoadPack<T, N>(x + i);
    Pack<T, N> slope = LoadPack<T, N>(d + i);
    const Pack<T, N> scale = LoadPack<T, N>(weight + i);
    for (int k = 0; k < N; ++k) {
      const float weighted = ToFloat(slope.values[k]) * (call.offset + ToFloat(scale.values[k]));
      const float normed = ToFloat(value.values[k]) * rstd;
      slope.values[k] = FromFloat<T>(NormGradient(weighted, normed, projection, rstd));
    }
    StorePack(slope, d + i);
  }
}

/// A thread's share of a matrix that is divided among all threads of the grid, `pieces` a row.
/// There are fewer than 2^32 of them; 64-bit divisions would take longer than what they are for.
struct Place {
  std::int64_t row;
  std::uint32_t piece;
};
LATHE_DEVICE Place PlaceOfThread(std::int64_t pieces) {
  const std::uint32_t index = BlockIndex() * BlockSize() + ThreadIndex();
  const auto divisor = static_cast<std::uint32_t>(pieces);
  return {index / divisor, index % divisor};
}

/// One thread for N pairs of a head.
template <class T, int N>
LATHE_KERNEL RopeKernel(RopeCall call) {
  const Place head_place = PlaceOfThread(call.half / N);
  const std::int64_t head_index = head_place.row;
  if (head_index >= call.to.rows * call.to.count) return;
  const std::int64_t i = head_place.piece * N;
  const std::int64_t row =
      static_cast<std::uint32_t>(head_index) / static_cast<std::uint32_t>(call.to.count);
  T* head = Row<T>(call.to.heads, row, call.to.stride) +
            (head_index - row * call.to.count) * call.to.head_dim;
  Pack<T, N> left = LoadPack<T, N>(head + i);
  Pack<T, N> right = LoadPack<T, N>(head + call.half + i);
  for (int k = 0; k < N; ++k) {
    const float c = call.cosine[row * call.half + i + k];
    const float s = call.sine[row * call.half + i + k] * call.direction;
    const float a = ToFloat(left.values[k]);
    const float b = ToFloat(right.values[k]);
    left.values[k] = FromFloat<T>(a * c - b * s);
    right.values[k] = FromFloat<T>(b * c + a * s);
  }
  StorePack(left, head + i);
  StorePack(right, head + call.half + i);
}

template <class Function, class T, int N>
LATHE_KERNEL GatedKernel(GatedCall call) {
  const auto [row, piece] = PlaceOfThread(call.width / N);
  if (row >= call.rows) return;
  const std::int64_t i = piece * N;
  const T* gate_up = Row<T>(call.gate_up, row, 2 * call.width) + i;
  const Pack<T, N> gate = LoadPack<T, N>(gate_up);
  const Pack<T, N> up = LoadPack<T, N>(gate_up + call.width);
  Pack<T, N> out;
  for (int k = 0; k < N; ++k) {
    out.values[k] = FromFloat<T>(Function::Value(ToFloat(gate.values[k])) * ToFloat(up.values[k]));
  }
  StorePack(out, Row<T>(call.out, row, call.width) + i);
}

template <class Function, class T, int N>
LATHE_KERNEL GatedBackwardKernel(GatedCall call) {
  const auto [row, piece] = PlaceOfThread(call.width / N);
  if (row >= call.rows) return;
  const std::int64_t i = piece * N;
  const T* gate_up = Row<T>(call.gate_up, row, 2 * call.width) + i;
  const Pack<T, N> gate = LoadPack<T, N>(gate_up);
  const Pack<T, N> up = LoadPack<T, N>(gate_up + call.width);
  const Pack<T, N> dout = LoadPack<T, N>(Row<T>(call.dout, row, call.width) + i);
  Pack<T, N> dgate;
  Pack<T, N> dup;
  Pack<T, N> out;
  for (int k = 0; k < N; ++k) {
    const float g = ToFloat(gate.values[k]);
    const float u = ToFloat(up.values[k]);
    const float d = ToFloat(dout.values[k]);
    const float value = Function::Value(g);
    dgate.values[k] = FromFloat<T>(d * u * Function::Slope(g));
    dup.values[k] = FromFloat<T>(d * value);
    out.values[k] = FromFloat<T>(value * u);
  }
  if (call.activated != nullptr) StorePack(out, Row<T>(call.activated, row, call.width) + i);
  T* gradient = Row<T>(call.out, row, 2 * call.width) + i;
  StorePack(dgate, gradient);
  StorePack(dup, gradient + call.width);
}

template <class Function>
void LaunchGated(const GatedCall& call, void* stream) {
  const bool aligned =
      Aligned(call.element, {call.gate_up, call.out, call.dout, call.activated}, {call.width});
  ForInstance(call.element, aligned, [&](auto instance) {
    using I = decltype(instance);
    const auto kernel = call.dout == nullptr
                            ? GatedKernel<Function, typename I::Type, I::kPack>
                            : GatedBackwardKernel<Function, typename I::Type, I::kPack>;
    const std::int64_t work = call.rows * (call.width / I::kPack);
    Launch(kernel, DivideUp(work, kThreads), kThreads, stream, call);
  });
}

/// Blocks that have a warp for each head.
std::int64_t BlocksFor(const HeadsCall& heads) {
  return DivideUp(heads.rows * heads.count, kThreads / kWarp);
}

}  // namespace

const char* LaunchRefused() {
  return LaunchError();
}

void RmsNorm(const RmsNormCall& call, void* stream) {
  const bool aligned = Aligned(call.element, {call.x, call.weight, call.y}, {call.width});
  ForInstance(call.element, aligned, [&](auto instance) {
    using I = decltype(instance);
    Launch(RmsNormKernel<typename I::Type, I::kPack>, call.rows,
           ThreadsFor(call.width / I::kPack, kThreads), stream, call);
  });
}

void AddRmsNormBackward(const RmsNormBackwardCall& call, void* stream) {
  const bool aligned = Aligned(call.element, {call.x, call.weight, call.dy, call.dx}, {call.width});
  ForInstance(call.element, aligned, [&](auto instance) {
    using I = decltype(instance);
    Launch(RmsNormBackwardKernel<typename I::Type, I::kPack>, call.rows,
           ThreadsFor(call.width / I::kPack, kThreads), stream, call);
  });
}

void NormHeads(const HeadNormCall& call, void* stream) {
  const bool aligned =
      Aligned(call.to.element, {call.to.heads, call.weight}, {call.to.head_dim, call.to.stride});
  ForInstance(call.to.element, aligned, [&](auto instance) {
    using I = decltype(instance);
    Launch(HeadNormKernel<typename I::Type, I::kPack>, BlocksFor(call.to), kThreads, stream, call);
  });
}

void NormHeadsBackward(const HeadNormBackwardCall& call, void* stream) {
  const bool aligned = Aligned(call.d.element, {call.d.heads, call.x, call.weight},
                               {call.d.head_dim, call.d.stride, call.x_stride});
  ForInstance(call.d.element, aligned, [&](auto instance) {
    using I = decltype(instance);
    Launch(HeadNormBackwardKernel<typename I::Type, I::kPack>, BlocksFor(call.d), kThreads, stream,
           call);
  });
}

void ApplyRope(const RopeCall& call, void* stream) {
  const bool aligned =
      Aligned(call.to.element, {call.to.heads}, {call.half, call.to.head_dim, call.to.stride});
  ForInstance(call.to.element, aligned, [&](auto instance) {
    using I = decltype(instance);
    const std::int64_t work = call.to.rows * call.to.count * (call.half / I::kPack);
    Launch(RopeKernel<typename I::Type, I::kPack>, DivideUp(work, kThreads), kThreads, stream,
           call);
  });
}

void Gated(const GatedCall& call, void* stream) {
  if (call.gate == Gate::kSilu) {
    LaunchGated<Silu>(call, stream);
  } else {
    LaunchGated<GeluTanh>(call, stream);
  }
}

}  // namespace lathe::trainer::kernels::cuda
