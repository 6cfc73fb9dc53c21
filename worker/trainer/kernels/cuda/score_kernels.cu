// Softmax of attention scores and cross-entropy: rows that become probabilities or gradients where
// they lie.

#include "worker/trainer/kernels/cuda/dispatch.h"
#include "worker/trainer/kernels/cuda/reduce.h"

namespace lathe::trainer::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kVocabularyThreads = 512;

template <class T>
LATHE_KERNEL SoftmaxKernel(SoftmaxCall call) {
  const std::int64_t row = BlockIndex();
  T* scores = static_cast<T*>(call.scores) + row * call.keys;
  const std::int64_t end = call.own + row % call.queries + 1;
  const std::int64_t first = call.window == 0 || end < call.window ? 0 : end - call.window;
  const Score map{call.scale, call.cap};
  float largest = Maximum::kIdentity;
  for (std::int64_t i = first + ThreadIndex(); i < end; i += BlockSize()) {
    largest = fmaxf(largest, map.Map(ToFloat(scores[i])));
  }
  largest = BlockReduce<Maximum>(largest);
  float sum = 0;
  for (std::int64_t i = first + ThreadIndex(); i < end; i += BlockSize()) {
    sum += expf(map.Map(ToFloat(scores[i])) - largest);
  }
  const float reciprocal = 1.0F / BlockReduce<Sum>(sum);
  for (std::int64_t i = ThreadIndex(); i < call.keys; i += BlockSize()) {
    const bool visible = i >= first && i < end;
    const float p = visible ? expf(map.Map(ToFloat(scores[i])) - largest) * reciprocal : 0.0F;
    scores[i] = FromFloat<T>(p);
  }
}

template <class T>
LATHE_KERNEL SoftmaxBackwardKernel(SoftmaxBackwardCall call) {
  const std::int64_t row = BlockIndex();
  const T* p = static_cast<const T*>(call.p) + row * call.keys;
  T* dp = static_cast<T*>(call.dp) + row * call.keys;
  float sum = 0;
  for (std::int64_t i = ThreadIndex(); i < call.keys; i += BlockSize()) {
    sum += ToFloat(p[i]) * ToFloat(dp[i]);
  }
  sum = BlockReduce<Sum>(sum);
  for (std::int64_t i = ThreadIndex(); i < call.keys; i += BlockSize()) {
    dp[i] = FromFloat<T>(ToFloat(p[i]) * (ToFloat(dp[i]) - sum) * call.scale);
  }
}

template <class T>
LATHE_KERNEL SoftCapBackwardKernel(SoftCapBackwardCall call) {
  const Score map{call.scale, call.cap};
  const T* scores = static_cast<const T*>(call.scores);
  T* dscores = static_cast<T*>(call.dscores);
  const std::int64_t step = static_cast<std::int64_t>(GridSize()) * BlockSize();
  for (std::int64_t i = static_cast<std::int64_t>(BlockIndex()) * BlockSize() + ThreadIndex();
       i < call.count; i += step) {
    dscores[i] = FromFloat<T>(ToFloat(dscores[i]) * map.Slope(map.Map(ToFloat(scores[i]))));
  }
}

/// The largest of some values, and the sum of their exponentials relative to it.
struct Exponentials {
  float largest;
  float sum;

  template <int N>
  LATHE_DEVICE void Add(const float (&values)[N]) {
    float top = largest;
    for (int k = 0; k < N; ++k) top = fmaxf(top, values[k]);
    if (top > largest) sum *= expf(largest - top);
    for (int k = 0; k < N; ++k) sum += expf(values[k] - top);
    largest = top;
  }
};

/// One block a row, which is read twice: for its sum, and to become its gradient.
template <class T, int N>
LATHE_KERNEL CrossEntropyKernel(CrossEntropyCall call) {
  const std::int64_t row = BlockIndex();
  T* logits = static_cast<T*>(call.logits) + row * call.vocabulary;
  const std::int64_t target = call.targets[row];
  const Score map{1.0F, call.cap};
  const float target_logit = map.Map(ToFloat(logits[target]));
  Exponentials own{Maximum::kIdentity, 0};
  for (std::int64_t i = ThreadIndex() * N; i < call.vocabulary; i += BlockSize() * N) {
    const Pack<T, N> pack = LoadPack<T, N>(logits + i);
    float values[N];
    for (int k = 0; k < N; ++k) values[k] = map.Map(ToFloat(pack.values[k]));
    own.Add(values);
  }
  const float largest = BlockReduce<Maximum>(own.largest);
  const float share = own.sum == 0 ? 0.0F : own.sum * expf(own.largest - largest);
  const float log_sum = largest + logf(BlockReduce<Sum>(share));
  if (ThreadIndex() == 0) {
    call.losses[row] = log_sum - target_logit;
    call.hits[row] = target_logit >= largest ? 1.0F : 0.0F;
  }
  if (call.scales == nullptr) return;
  const float scale = call.scales[row];
  for (std::int64_t i = ThreadIndex() * N; i < call.vocabulary; i += BlockSize() * N) {
    Pack<T, N> pack = LoadPack<T, N>(logits + i);
    for (int k = 0; k < N; ++k) {
      const float value = map.Map(ToFloat(pack.values[k]));
      const float p = expf(value - log_sum) - (i + k == target ? 1.0F : 0.0F);
      pack.values[k] = FromFloat<T>(scale == 0 ? 0.0F : p * map.Slope(value) * scale);
    }
    StorePack(pack, logits + i);
  }
}

}  // namespace

void CausalSoftmax(const SoftmaxCall& call, void* stream) {
  ForInstance(call.element, false, [&](auto instance) {
    Launch(SoftmaxKernel<typename decltype(instance)::Type>, call.rows,
           ThreadsFor(call.keys, kThreads), stream, call);
  });
}

void SoftmaxBackward(const SoftmaxBackwardCall& call, void* stream) {
  ForInstance(call.element, false, [&](auto instance) {
    Launch(SoftmaxBackwardKernel<typename decltype(instance)::Type>, call.rows,
           ThreadsFor(call.keys, kThreads), stream, call);
  });
}

void SoftCapBackward(const SoftCapBackwardCall& call, void* stream) {
  constexpr std::int64_t kMostBlocks = 1 << 16;
  const std::int64_t blocks = DivideUp(call.count, kThreads);
  ForInstance(call.element, false, [&](auto instance) {
    Launch(SoftCapBackwardKernel<typename decltype(instance)::Type>,
           blocks < kMostBlocks ? blocks : kMostBlocks, kThreads, stream, call);
  });
}

void CrossEntropyRows(const CrossEntropyCall& call, void* stream) {
  const bool aligned = Aligned(call.element, {call.logits}, {call.vocabulary});
  ForInstance(call.element, aligned, [&](auto instance) {
    using I = decltype(instance);
    Launch(CrossEntropyKernel<typename I::Type, I::kPack>, call.rows,
           ThreadsFor(call.vocabulary / I::kPack, kVocabularyThreads), stream, call);
  });
}

}  // namespace lathe::trainer::kernels::cuda
