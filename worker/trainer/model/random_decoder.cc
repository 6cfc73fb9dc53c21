#include "worker/trainer/model/random_decoder.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>

#include "worker/trainer/model/weight_plan.h"

namespace lathe::trainer::model {
namespace {

constexpr double kDeviation = 0.02;

quantization::QuantizedMatrix RandomMatrix(const quantization::QuantizationSettings& settings,
                                           std::int64_t rows, std::int64_t columns,
                                           const at::Device& device) {
  using quantization::QuantizationType;
  const auto options = at::TensorOptions().device(device);
  const auto floats = options.dtype(at::kFloat);
  quantization::QuantizedMatrix matrix{
      .type = settings.type, .rows = rows, .columns = columns, .codes = {}};
  if (settings.type == QuantizationType::kInt8) {
    matrix.codes = at::randint(-127, 128, {rows, columns}, options.dtype(at::kChar));
    matrix.absmax = at::full({rows}, 3 * kDeviation, floats);
    return matrix;
  }
  const std::int64_t count = rows * columns;
  const std::int64_t blocks = (count + quantization::kBlock - 1) / quantization::kBlock;
  const std::int64_t nested =
      (blocks + quantization::kNestedBlock - 1) / quantization::kNestedBlock;
  matrix.codes = at::randint(0, 256, {(count + 1) / 2}, options.dtype(at::kByte));
  if (settings.double_quantization) {
    matrix.absmax_codes = at::randint(0, 256, {blocks}, options.dtype(at::kByte));
    matrix.nested_absmax = at::full({nested}, kDeviation, floats);
    matrix.offset = static_cast<float>(3 * kDeviation);
  } else {
    matrix.absmax = at::full({blocks}, 3 * kDeviation, floats);
  }
  return matrix;
}

void FillLinear(FusedLinear& linear, const LoadOptions& options) {
  if (linear.bias.defined())
    linear.bias = at::zeros(linear.bias.sizes(), options.dtype).to(options.device);
  if (linear.quantized.empty()) {
    linear.weight =
        at::empty(linear.weight.sizes(), at::TensorOptions(options.dtype).device(options.device))
            .normal_(0, kDeviation);
    return;
  }
  for (std::size_t i = 0; i < linear.parts.size(); ++i) {
    linear.quantized[i] = RandomMatrix(*options.quantization, linear.parts[i].size,
                                       linear.weight.size(1), options.device);
  }
}

}  // namespace

Decoder RandomDecoder(const ModelDescription& description, const LoadOptions& options) {
  const auto placed = at::TensorOptions(options.dtype).device(options.device);
  // Memory that is not written to is not taken: each tensor is replaced before that.
  Decoder decoder =
      AllocateDecoder(description, options.dtype,
                      options.quantization ? WeightStorage::kQuantized : WeightStorage::kDense);
  const auto fill_norm = [&](at::Tensor& norm) {
    if (norm.defined()) norm = at::full(norm.sizes(), 1 - description.norm_offset, placed);
  };
  decoder.embedding = at::empty(decoder.embedding.sizes(), placed).normal_(0, kDeviation);
  fill_norm(decoder.final_norm);
  for (LayerWeights& layer : decoder.layers) {
    for (at::Tensor* norm : {&layer.attention_norm, &layer.mlp_norm, &layer.query_norm,
                             &layer.key_norm, &layer.attention_out_norm, &layer.mlp_out_norm}) {
      fill_norm(*norm);
    }
    for (FusedLinear* linear : {&layer.qkv, &layer.output, &layer.gate_up, &layer.down}) {
      FillLinear(*linear, options);
    }
  }
  if (description.tied_embeddings) {
    decoder.head.weight = decoder.embedding;
  } else {
    FillLinear(decoder.head, options);
  }
  for (const RopeDescription& rope : description.ropes) {
    decoder.ropes.emplace_back(rope, options.max_positions, options.device);
  }
  return decoder;
}

}  // namespace lathe::trainer::model
