#pragma once
// What is to be trained, as far as memory and time depend on it. Pure values.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lathe::estimator {

enum class Method : std::uint8_t { kFull, kLora, kQlora, kPrefix, kAdapter };

/// How many bytes an optimizer keeps for each trained parameter.
enum class OptimizerState : std::uint8_t { kTwoMoments, kOneMoment, kEightBit, kFactored, kNone };

struct MethodSettings {
  Method method = Method::kLora;
  std::int64_t rank = 8;
  std::vector<std::string> modules;  ///< of LinearLayers(); empty: all of them
  bool dora = false;
  double dropout = 0;
  std::int64_t quantization_bits = 4;
  bool double_quantization = true;
  std::int64_t prefix_length = 20;
  std::int64_t adapter_size = 64;
  std::int64_t adapters_per_layer = 1;  ///< 2 for houlsby
};

/// What is known of the examples; lengths in tokens, after they were cut to the sequence length.
struct DataSummary {
  std::int64_t examples = 0;
  double mean_tokens = 0;
  double longest_tokens = 0;
  double target_share = 1;    ///< of tokens that have a loss
  bool is_estimated = false;  ///< lengths were guessed from bytes
};

struct Workload {
  MethodSettings method;
  OptimizerState optimizer = OptimizerState::kTwoMoments;
  bool paged_optimizer = false;
  double bytes_per_value = 4;  ///< of weights and activations: 4 for fp32, 2 for bf16 and fp16
  std::int64_t batch_size = 4;
  std::int64_t gradient_accumulation = 1;
  std::int64_t sequence_length = 0;  ///< must be given
  double epochs = 3;
  std::optional<std::int64_t> max_steps;
  bool gradient_checkpointing = false;
  bool packing = false;
  bool preference = false;  ///< two sequences an example, and a pass of the reference
  DataSummary data;
  DataSummary evaluation;        ///< examples == 0: none
  std::int64_t evaluations = 0;  ///< over the whole run
};

}  // namespace lathe::estimator
