#include "common/estimator/memory.h"

#include <algorithm>

namespace lathe::estimator {
namespace {

/// Logits exist for this many values at a time, whatever the vocabulary; on a GPU for more.
constexpr double kLogitsChunk = 1 << 25;
constexpr double kGpuLogitsChunk = 1 << 28;
/// What allocations cost beyond their sizes, measured: blocks that were freed and wait.
constexpr double kAllocatorShare = 1.15;
/// Code and buffers of the math libraries, which come with the first step, on a CPU.
constexpr double kLibraryBytes = 60e6;
/// Attention probabilities of sequences up to this length are kept, but not where a GPU computes
/// attention in 16 bits.
constexpr double kKeptAttention = 512;

bool Trains(const MethodSettings& method, const std::string& module) {
  if (method.method != Method::kLora && method.method != Method::kQlora) return false;
  return method.modules.empty() ||
         std::find(method.modules.begin(), method.modules.end(), module) != method.modules.end();
}

double LowRankParameters(const ModelShape& shape, const MethodSettings& method) {
  double sum = 0;
  for (const LinearShape& linear : LinearLayers(shape)) {
    if (!Trains(method, linear.name)) continue;
    sum += static_cast<double>(method.rank * (linear.in + linear.out));
    if (method.dora) sum += static_cast<double>(linear.out);
  }
  return sum * static_cast<double>(shape.layers);
}

/// Bytes a weight of the decoder's linear layers takes (QLoRA, arXiv 2305.14314, section 3: a
/// scale for each block of 64, itself in 8 bits with double quantisation).
double BytesPerFrozenWeight(const Workload& workload) {
  const MethodSettings& m = workload.method;
  if (m.method != Method::kQlora) return workload.bytes_per_value;
  if (m.quantization_bits == 8) return 1;
  return m.double_quantization ? 0.5 + 1.0 / 64 + 4.0 / (64 * 256) : 0.5 + 4.0 / 64;
}

double OptimizerBytes(OptimizerState state) {
  switch (state) {
    case OptimizerState::kTwoMoments:
      return 8;
    case OptimizerState::kOneMoment:
      return 4;
    case OptimizerState::kEightBit:
      return 2.03;  // Two bytes, and two scales for each block of 256.
    case OptimizerState::kFactored:
      return 0.1;
    case OptimizerState::kNone:
      return 0;
  }
  return 8;
}

/// Values that one layer keeps for each token, inputs of its linear layers included but attention
/// probabilities left out.
double KeptPerToken(const ModelShape& s, const MethodSettings& m) {
  const double attention = static_cast<double>(s.heads * s.head_dim);
  double low_rank = 0;
  double dropped = 0;
  for (const LinearShape& linear : LinearLayers(s)) {
    if (!Trains(m, linear.name)) continue;
    low_rank += static_cast<double>(m.rank);
  }
  if (m.dropout > 0 && low_rank > 0) {
    dropped = static_cast<double>(2 * s.hidden + s.intermediate) + attention;
  }
  return 2.0 * static_cast<double>(s.hidden) + static_cast<double>(s.QkvWidth()) + attention +
         2.0 * static_cast<double>(s.intermediate) + low_rank + dropped;
}

double KeptProbabilities(const ModelShape& s, double length, const Machine& machine, double value) {
  const bool flash = machine.gpu && value < 4;
  return flash || length > kKeptAttention ? 0 : static_cast<double>(s.heads) * length;
}

/// Of a quantised base, the largest weight as it is multiplied with.
double DequantizedWeight(const ModelShape& s, const MethodSettings& m) {
  return m.method == Method::kQlora ? 2.0 * static_cast<double>(s.intermediate * s.hidden) : 0;
}

/// What the backward pass of one layer holds beside the tape.
double LayerWorking(const ModelShape& s) {
  return 4.0 * static_cast<double>(s.intermediate) + 4.0 * static_cast<double>(s.hidden);
}

}  // namespace

double TrainableParameters(const ModelShape& shape, const MethodSettings& method) {
  const auto layers = static_cast<double>(shape.layers);
  switch (method.method) {
    case Method::kFull:
      return static_cast<double>(Parameters(shape));
    case Method::kLora:
    case Method::kQlora:
      return LowRankParameters(shape, method);
    case Method::kPrefix:
      return layers *
             static_cast<double>(2 * method.prefix_length * shape.kv_heads * shape.head_dim);
    case Method::kAdapter:
      return layers * static_cast<double>(method.adapters_per_layer) *
             static_cast<double>(2 * shape.hidden * method.adapter_size + shape.hidden +
                                 method.adapter_size);
  }
  return 0;
}

double LargestMicroBatch(const Workload& workload) {
  const auto limit = static_cast<double>(workload.sequence_length);
  const double longest =
      workload.data.examples == 0 ? limit : std::min(limit, workload.data.longest_tokens);
  const double rows = static_cast<double>(workload.batch_size) * (workload.preference ? 2 : 1);
  return rows * (workload.packing ? limit : longest);
}

bool AffordsPackedWeights(double bytes, double memory_bytes) {
  return 8 * bytes <= memory_bytes;
}

Memory EstimateMemory(const ModelShape& shape, const Workload& workload, const Machine& machine) {
  const bool full = workload.method.method == Method::kFull;
  const double value = workload.bytes_per_value;
  const double trained = TrainableParameters(shape, workload.method);
  const double tokens = LargestMicroBatch(workload);
  const double length = tokens / static_cast<double>(workload.batch_size);
  const auto layers = static_cast<double>(shape.layers);

  Memory memory;
  // Full fine-tuning in fp32 computes with the very values that it trains.
  const bool own_copy = !full || value < 4;
  const auto linear = static_cast<double>(LinearParameters(shape));
  const double rest = static_cast<double>(Parameters(shape)) - linear;
  memory.weights = own_copy ? linear * BytesPerFrozenWeight(workload) + rest * value : 0;
  const double packed = linear * value;
  const bool packs = machine.packs_bf16_weights && value == 2 &&
                     workload.method.method != Method::kFull &&
                     workload.method.method != Method::kQlora;
  if (packs && AffordsPackedWeights(packed, machine.memory_bytes)) memory.weights += packed;
  memory.trainable = trained * (4 + (full || value == 4 ? 0 : value));
  memory.gradients = trained * 4;
  memory.optimizer =
      workload.paged_optimizer && machine.gpu ? 0 : trained * OptimizerBytes(workload.optimizer);

  const double kept =
      (KeptPerToken(shape, workload.method) + KeptProbabilities(shape, length, machine, value)) *
      tokens * value;
  const double hidden = static_cast<double>(shape.hidden) * tokens * value;
  // With checkpointing one layer's tape counts twice: what the forward pass freed between the
  // inputs that it keeps is too scattered to be used again.
  memory.activations = workload.gradient_checkpointing ? layers * hidden + 2 * kept : layers * kept;
  const double targets = tokens * std::clamp(workload.data.target_share, 0.0, 1.0);
  const double chunk = machine.gpu ? kGpuLogitsChunk : kLogitsChunk;
  const double logits = std::min(chunk, targets * static_cast<double>(shape.vocabulary)) * value;
  memory.working = 2 * hidden + std::max(logits, LayerWorking(shape) * tokens * value) +
                   DequantizedWeight(shape, workload.method) * value;
  memory.activations *= kAllocatorShare;
  memory.working *= kAllocatorShare;
  memory.base = machine.base_bytes + (machine.gpu ? 0 : kLibraryBytes);
  memory.total = memory.weights + memory.trainable + memory.gradients + memory.optimizer +
                 memory.activations + memory.working + memory.base;
  return memory;
}

}  // namespace lathe::estimator
