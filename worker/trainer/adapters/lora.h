#pragma once
// A LoRA adapter (https://arxiv.org/abs/2106.09685): which linear layers get low-rank matrices,
// their fp32 master values in one flat tensor, and the views that the decoder computes with. One
// flat tensor makes clipping, the optimizer and checkpoints a handful of operations, however many
// matrices there are. Not thread-safe.

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/adapters/dora.h"
#include "worker/trainer/adapters/trainable.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::adapters {

/// Which biases that the model has are trained too, as PEFT's `bias` has it.
enum class BiasTraining : std::uint8_t { kNone, kAdaptedLayers, kAll };

struct LoraSettings {
  std::int64_t rank = 8;
  double alpha = 16;
  double dropout = 0;
  bool rslora = false;  ///< scale alpha / sqrt(rank) instead of alpha / rank (arXiv 2312.03732)
  bool dora = false;    ///< also train the length of each row (arXiv 2402.09353)
  BiasTraining bias = BiasTraining::kNone;
  /// Names of linear layers, by last component ("q_proj") or in full; empty: every linear layer but
  /// the output head.
  std::vector<std::string> modules;
  std::map<std::string, std::int64_t> rank_pattern;  ///< module name -> its rank
  std::map<std::string, double> alpha_pattern;
};

/// One adapted linear layer.
struct LoraModule {
  std::string name;        ///< "model.layers.0.self_attn.q_proj"
  std::size_t group = 0;   ///< index of its fused layer, see model::GroupIndex
  std::size_t part = 0;    ///< index within that
  std::int64_t begin = 0;  ///< its first row there
  std::int64_t rank = 0;
  double alpha = 0;
  double scale = 0;
  at::Tensor a;               ///< [rank, in] fp32, a view into the flat parameters
  at::Tensor b;               ///< [out, rank] fp32, likewise
  at::Tensor magnitude = {};  ///< [out] fp32, likewise; undefined without DoRA
};

/// One trained bias.
struct LoraBias {
  std::string layer;     ///< "model.layers.0.self_attn.q_proj"
  bool adapted = false;  ///< whether the layer has low-rank matrices too
  std::size_t group = 0;
  std::size_t part = 0;
  std::int64_t begin = 0;  ///< its first element within the fused bias
  at::Tensor values = {};  ///< [out] fp32, a view into the flat parameters
};

class LoraAdapter {
 public:
  /// Every matrix is zero. DoRA of a decoder whose layers are held in parts refers to it.
  /// kInvalidArgument when a name of the settings matches no linear layer of the decoder; the error
  /// lists the names that there are.
  static Result<LoraAdapter> Create(const model::Decoder& decoder, const LoraSettings& settings,
                                    Purpose purpose);

  /// A ~ U(-1/sqrt(in), 1/sqrt(in)), B = 0: a function of the seed alone. Magnitudes and biases are
  /// those of the decoder, so that nothing changes at first.
  void Initialize(std::uint64_t seed);

  const LoraSettings& settings() const { return settings_; }
  const std::vector<LoraModule>& modules() const { return modules_; }
  const std::vector<LoraBias>& biases() const { return biases_; }
  /// All values, fp32, one-dimensional. After changing them call Refresh.
  at::Tensor& parameters() { return parameters_; }
  const at::Tensor& parameters() const { return parameters_; }
  /// Of the shape of the parameters; undefined for inference.
  at::Tensor& gradients() { return gradients_; }
  const at::Tensor& gradients() const { return gradients_; }
  const model::LowRankSet& low_rank() const { return low_rank_; }
  /// Casts the parameters to the decoder's compute type; with DoRA, takes the norms anew.
  void Refresh() const;

 private:
  LoraAdapter() = default;
  void Allocate(const model::Decoder& decoder, Purpose purpose);
  /// What norms_ calls for.
  DoraNorms::Addition AdditionOf(std::size_t module) const;
  std::int64_t AllocateGroup(const model::FusedLinear& linear, std::size_t index,
                             std::int64_t offset);

  LoraSettings settings_;
  std::vector<LoraModule> modules_;
  std::vector<LoraBias> biases_;
  DoraNorms norms_;  ///< by module; of none without DoRA
  std::vector<at::Tensor> initial_biases_;
  at::Tensor parameters_;
  at::Tensor compute_;  ///< the parameters in the compute type; the same tensor when that is fp32
  at::Tensor gradients_;
  model::LowRankSet low_rank_;
};

}  // namespace lathe::trainer::adapters
