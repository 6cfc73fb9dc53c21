// Updates of all parameters in one pass over memory, however many tensors they are.

#include "worker/trainer/kernels/cuda/dispatch.h"
#include "worker/trainer/kernels/cuda/reduce.h"

namespace lathe::trainer::kernels::cuda {
namespace {

constexpr int kBlock = 256;  ///< elements that share a maximum, and threads that work on them
constexpr std::int64_t kMostBlocks = 4096;

LATHE_HOST_DEVICE float NewParameter(const AdamWFactors& f, float parameter, float m, float v) {
  const float denominator = sqrtf(v) / f.root_correction + f.epsilon;
  return parameter * f.decay - f.step * m / denominator;
}

LATHE_KERNEL AdamWKernel(AdamWCall call) {
  const AdamWFactors& f = call.factors;
  const std::int64_t step = static_cast<std::int64_t>(GridSize()) * BlockSize();
  for (std::int64_t i = static_cast<std::int64_t>(BlockIndex()) * BlockSize() + ThreadIndex();
       i < call.count; i += step) {
    const float g = call.gradient[i];
    const float m = call.first[i] + (g - call.first[i]) * f.rest1;
    const float v = call.second[i] * f.beta2 + g * g * f.rest2;
    call.first[i] = m;
    call.second[i] = v;
    call.parameters[i] = NewParameter(f, call.parameters[i], m, v);
  }
}

/// A map and the middles between its values, in memory that a block shares.
struct SharedMap {
  float values[kBlock];
  float middles[kBlock];
};
struct Maps {
  float first[kBlock];
  float second[kBlock];
};

LATHE_DEVICE void CopyMap(const float* values, SharedMap& to) {
  const unsigned i = ThreadIndex();
  to.values[i] = values[i];
  if (i + 1 < kBlock) to.middles[i] = (values[i] + values[i + 1]) / 2.0F;
}

/// By all threads of a block: the value of each becomes its code.
LATHE_DEVICE void StoreMoment(const SharedMap& map, float value, const BlockMoment& moment,
                              std::int64_t block) {
  const float maximum = BlockReduce<Maximum>(fabsf(value));
  const float reciprocal = maximum > 0 ? 1.0F / maximum : 0.0F;
  moment.codes[block * kBlock + ThreadIndex()] =
      static_cast<std::uint8_t>(CountBelow(map.middles, kBlock - 1, value * reciprocal));
  if (ThreadIndex() == 0) moment.maxima[block] = maximum;
}

LATHE_KERNEL AdamW8BitKernel(AdamW8BitCall call, Maps maps) {
  LATHE_SHARED SharedMap first_map;
  LATHE_SHARED SharedMap second_map;
  CopyMap(maps.first, first_map);
  CopyMap(maps.second, second_map);
  SyncBlock();
  const AdamWFactors& f = call.factors;
  for (std::int64_t block = BlockIndex(); block * kBlock < call.count; block += GridSize()) {
    const std::int64_t i = block * kBlock + ThreadIndex();
    const bool inside = i < call.count;
    const float g = inside ? call.gradient[i] : 0.0F;
    const float m_before =
        inside ? first_map.values[call.first.codes[i]] * call.first.maxima[block] : 0.0F;
    const float v_before =
        inside ? second_map.values[call.second.codes[i]] * call.second.maxima[block] : 0.0F;
    const float m = m_before * f.beta1 + g * f.rest1;
    const float v = v_before * f.beta2 + g * g * f.rest2;
    if (inside) call.parameters[i] = NewParameter(f, call.parameters[i], m, v);
    StoreMoment(first_map, m, call.first, block);
    StoreMoment(second_map, v, call.second, block);
  }
}

std::int64_t BlocksFor(std::int64_t count) {
  const std::int64_t blocks = DivideUp(count, kBlock);
  return blocks < kMostBlocks ? blocks : kMostBlocks;
}

}  // namespace

void AdamW(const AdamWCall& call, void* stream) {
  Launch(AdamWKernel, BlocksFor(call.count), kBlock, stream, call);
}

void AdamW8Bit(const AdamW8BitCall& call, void* stream) {
  Maps maps;
  for (int i = 0; i < kBlock; ++i) {
    maps.first[i] = call.first.map[i];
    maps.second[i] = call.second.map[i];
  }
  Launch(AdamW8BitKernel, BlocksFor(call.count), kBlock, stream, call, maps);
}

}  // namespace lathe::trainer::kernels::cuda
