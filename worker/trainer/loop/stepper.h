#pragma once
// One training step and one evaluation: forward, loss, backward, clipping, update. Holds what
// changes from step to step except the count itself. Not thread-safe.

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "worker/trainer/adapters/trainable.h"
#include "worker/trainer/distributed/group.h"
#include "worker/trainer/distributed/share.h"
#include "worker/trainer/loop/batch.h"
#include "worker/trainer/loop/gradient_sums.h"
#include "worker/trainer/model/decoder.h"
#include "worker/trainer/objectives/supervised.h"
#include "worker/trainer/optim/optimizer.h"
#include "worker/trainer/plan/parameter_defaults.h"

namespace lathe::trainer::loop {

struct StepperSettings {
  objectives::Objective objective = objectives::MakeSupervised();
  optim::OptimizerSettings optimizer;
  double maximum_gradient_norm = plan::DefaultNumber("optimizer.maxGradientNorm");
  bool recompute = false;  ///< gradient checkpointing
  bool offload = false;    ///< activation offloading
  std::uint64_t seed = plan::DefaultInteger("seed");
  /// The processes that share each step; this one alone unless told otherwise.
  std::shared_ptr<const distributed::Group> group = std::make_shared<const distributed::Group>();
  /// Gradients that processes sum at a time, at least, while the backward pass goes on: 4 MB, far
  /// more than a message's latency.
  std::int64_t least_gradient_part = std::int64_t{1} << 20;
};

/// The examples of one step. Micro-batches hold indices of the objective's groups: group g is the
/// examples from g * group on.
struct StepInput {
  std::int64_t step = 0;  ///< completed before this one
  double learning_rate = 0;
  const std::vector<Example>& examples;
  const std::vector<std::vector<std::size_t>>& micro_batches;
  double loss_scale = 1;  ///< gradients are computed of loss * this; what comes out is not scaled
};

struct StepResult {
  double loss = 0;  ///< the mean of what the objective averages, over all micro-batches
  std::vector<double> measures;  ///< the objective's, likewise
  double gradient_norm = 0;      ///< before clipping
  std::int64_t targets = 0;
  std::int64_t tokens = 0;        ///< all that were computed
  std::int64_t memory_bytes = 0;  ///< of all processes together, see device::MemoryBytes
  bool finite = true;             ///< else no update was made
};

struct Evaluation {
  double loss = 0;
  std::vector<double> measures;
  std::int64_t targets = 0;
};

class Stepper {
 public:
  Stepper(const model::Decoder& decoder, adapters::Trainable trainable,
          const StepperSettings& settings);

  const objectives::Objective& objective() const { return settings_.objective; }
  const adapters::Trainable& trainable() const { return trainable_; }
  optim::OptimizerState& optimizer() { return optimizer_; }

  /// nullopt when stop() became true between micro-batches, in any process: nothing has changed
  /// then. Every process of the group takes the same step, computes its share of it and comes to
  /// the same result.
  std::optional<StepResult> Step(const StepInput& input, const std::function<bool()>& stop);

  /// Mean loss over all examples, `batch_size` groups at a time; nullopt when stopped. Divided
  /// among the group's processes too.
  std::optional<Evaluation> Evaluate(const std::vector<Example>& examples, std::int64_t batch_size,
                                     const std::function<bool()>& stop);

 private:
  struct Share;
  void ComputePiece(const Share& share, const distributed::Piece& piece,
                    std::function<void(std::size_t)> layer_done);
  bool ComputeShare(const Share& share, GradientSums& gradient_sums,
                    const std::function<bool()>& stop);

  const model::Decoder& decoder_;
  adapters::Trainable trainable_;
  StepperSettings settings_;
  optim::Layout layout_;
  std::vector<GradientPart> gradient_parts_;  ///< summed over the processes one by one
  optim::OptimizerState optimizer_;
};

}  // namespace lathe::trainer::loop
