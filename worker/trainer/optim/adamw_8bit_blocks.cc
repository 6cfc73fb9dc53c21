#include <ATen/Parallel.h>
#include <ATen/ops/bucketize.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "worker/trainer/optim/adamw_8bit.h"
#include "worker/trainer/optim/dynamic_map.h"

namespace lathe::trainer::optim::adamw_8bit {
namespace {

/// Blocks below this many together are not worth another thread.
constexpr std::int64_t kGrainBlocks = 32;

using Values = std::array<float, kBlock>;

template <class T>
T* Data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

/// One block of a moment in memory.
struct BlockMoment {
  std::uint8_t* codes;
  float* maximum;
};

BlockMoment BlockOf(const QuantizedMoment& moment, std::int64_t block) {
  return {Data<std::uint8_t>(moment.codes) + block * kBlock, Data<float>(moment.maxima) + block};
}

void Dequantize(const DynamicMap& map, const BlockMoment& moment, std::size_t count,
                Values& values) {
  for (std::size_t i = 0; i < count; ++i) values[i] = map.values[moment.codes[i]] * *moment.maximum;
}

void Quantize(const DynamicMap& map, const Values& values, std::size_t count,
              const BlockMoment& moment) {
  float maximum = 0;
  for (std::size_t i = 0; i < count; ++i) maximum = std::max(maximum, std::fabs(values[i]));
  *moment.maximum = maximum;
  // A block of zeros: any code means zero.
  const float reciprocal = maximum > 0 ? 1.0F / maximum : 0.0F;
  for (std::size_t i = 0; i < count; ++i) moment.codes[i] = map.Nearest(values[i] * reciprocal);
  // What lies behind a run's end is part of the block for UpdateBlocksChained.
  std::fill(moment.codes + count, moment.codes + kBlock, map.Nearest(0));
}

/// The factors in the type that elements are computed in.
struct FloatFactors {
  explicit FloatFactors(const adamw::Factors& f)
      : decay(static_cast<float>(f.decay)),
        beta1(static_cast<float>(f.beta1)),
        beta2(static_cast<float>(f.beta2)),
        rest1(static_cast<float>(1 - f.beta1)),
        rest2(static_cast<float>(1 - f.beta2)),
        step(static_cast<float>(f.step)),
        root_correction(static_cast<float>(f.root_correction)),
        epsilon(static_cast<float>(f.epsilon)) {}
  float decay, beta1, beta2, rest1, rest2, step, root_correction, epsilon;
};

void UpdateValues(const FloatFactors& f, const float* gradient, std::size_t count, Values& m,
                  Values& v) {
  for (std::size_t i = 0; i < count; ++i) {
    m[i] = m[i] * f.beta1 + gradient[i] * f.rest1;
    v[i] = v[i] * f.beta2 + gradient[i] * gradient[i] * f.rest2;
  }
}

void Apply(const FloatFactors& f, const Values& m, const Values& v, std::size_t count,
           float* parameters) {
  for (std::size_t i = 0; i < count; ++i) {
    const float denominator = std::sqrt(v[i]) / f.root_correction + f.epsilon;
    parameters[i] = parameters[i] * f.decay - f.step * m[i] / denominator;
  }
}

at::Tensor ToTensor(const float* values, std::size_t count, const at::Device& device) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(count)}, at::kFloat);
  std::copy_n(values, count, Data<float>(tensor));
  return tensor.to(device);
}

/// [blocks, kBlock], filled up with zeros.
at::Tensor AsBlocks(const at::Tensor& values) {
  const std::int64_t rest = (kBlock - values.numel() % kBlock) % kBlock;
  return (rest == 0 ? values : at::constant_pad_nd(values, {0, rest})).view({-1, kBlock});
}

at::Tensor DequantizeChained(const at::Tensor& map, const QuantizedMoment& moment) {
  const at::Tensor values = map.index_select(0, moment.codes.to(at::kLong));
  return values.view({-1, kBlock}).mul_(moment.maxima.unsqueeze(1));
}

void QuantizeChained(const at::Tensor& midpoints, const at::Tensor& values,
                     const QuantizedMoment& moment) {
  const at::Tensor maxima = values.abs().amax(1);
  moment.maxima.copy_(maxima);
  const at::Tensor reciprocal = maxima.reciprocal().masked_fill_(maxima.eq(0), 0);
  const at::Tensor scaled = values.mul(reciprocal.unsqueeze(1));
  moment.codes.copy_(at::bucketize(scaled, midpoints, /*out_int32=*/true).view({-1}));
}

}  // namespace

void UpdateBlocksFused(const adamw::Factors& factors, const BlockSlice& slice) {
  const FloatFactors f(factors);
  const DynamicMap& first_map = DynamicMapOf(Signedness::kSigned);
  const DynamicMap& second_map = DynamicMapOf(Signedness::kUnsigned);
  const std::int64_t elements = slice.parameters.numel();
  at::parallel_for(
      0, slice.first.maxima.numel(), kGrainBlocks, [&](std::int64_t begin, std::int64_t end) {
        Values m;
        Values v;
        for (std::int64_t block = begin; block < end; ++block) {
          const auto count = static_cast<std::size_t>(std::min(kBlock, elements - block * kBlock));
          const BlockMoment first = BlockOf(slice.first, block);
          const BlockMoment second = BlockOf(slice.second, block);
          Dequantize(first_map, first, count, m);
          Dequantize(second_map, second, count, v);
          UpdateValues(f, Data<float>(slice.gradient) + block * kBlock, count, m, v);
          Apply(f, m, v, count, Data<float>(slice.parameters) + block * kBlock);
          Quantize(first_map, m, count, first);
          Quantize(second_map, v, count, second);
        }
      });
}

void UpdateBlocksChained(const adamw::Factors& factors, const BlockSlice& slice) {
  const DynamicMap& first_map = DynamicMapOf(Signedness::kSigned);
  const DynamicMap& second_map = DynamicMapOf(Signedness::kUnsigned);
  const auto tensor = [&](const auto& array) {
    return ToTensor(array.data(), array.size(), slice.parameters.device());
  };
  const at::Tensor m = DequantizeChained(tensor(first_map.values), slice.first);
  const at::Tensor v = DequantizeChained(tensor(second_map.values), slice.second);
  const at::Tensor gradient = AsBlocks(slice.gradient);
  const at::Tensor parameters = AsBlocks(slice.parameters);
  m.mul_(factors.beta1).add_(gradient, 1 - factors.beta1);
  v.mul_(factors.beta2).addcmul_(gradient, gradient, 1 - factors.beta2);
  const at::Tensor denominator = v.sqrt().div_(factors.root_correction).add_(factors.epsilon);
  parameters.mul_(factors.decay).addcdiv_(m, denominator, -factors.step);
  if (slice.parameters.numel() % kBlock != 0) {  // Else it is the same memory.
    slice.parameters.copy_(parameters.view({-1}).narrow(0, 0, slice.parameters.numel()));
  }
  QuantizeChained(tensor(first_map.midpoints), m, slice.first);
  QuantizeChained(tensor(second_map.midpoints), v, slice.second);
}

}  // namespace lathe::trainer::optim::adamw_8bit
