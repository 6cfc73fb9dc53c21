#include "worker/trainer/loop/stepper.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "worker/trainer/model/dropout.h"
#include "worker/trainer/objectives/supervised.h"

namespace lathe::trainer::loop {
namespace {

optim::Layout LayoutOf(const adapters::Trainable& trainable) {
  optim::Layout layout;
  for (const adapters::NamedView& view : trainable.views) {
    layout.push_back({view.offset, view.shape});
  }
  std::sort(layout.begin(), layout.end(),
            [](const auto& left, const auto& right) { return left.offset < right.offset; });
  return layout;
}

}  // namespace

Stepper::Stepper(const model::Decoder& decoder, adapters::Trainable trainable,
                 const StepperSettings& settings)
    : decoder_(decoder),
      trainable_(std::move(trainable)),
      settings_(settings),
      layout_(LayoutOf(trainable_)),
      optimizer_(optim::MakeOptimizerState(settings.optimizer, layout_, trainable_.parameters)) {}

double Stepper::ForwardBackward(const Batch& batch, double gradient_scale,
                                std::uint64_t dropout_seed) {
  const model::PassOptions options{
      .dropout_seed = dropout_seed, .recompute = settings_.recompute, .offload = settings_.offload};
  const model::PassContext pass{decoder_, trainable_.additions, batch.inputs, options};
  model::Tape tape;
  const at::Tensor hidden = model::ForwardLayers(pass, &tape);
  objectives::SupervisedLoss loss =
      objectives::ComputeSupervisedLoss(pass, hidden, batch.targets, gradient_scale);
  model::BackwardLayers(pass, tape, std::move(loss.dhidden));
  return loss.sum;
}

std::optional<StepResult> Stepper::Step(const StepInput& input, const std::function<bool()>& stop) {
  StepResult result;
  for (const auto& indices : input.micro_batches) {
    for (const std::size_t index : indices) {
      result.targets += data::CountTargets(input.examples[index]);
      result.tokens += static_cast<std::int64_t>(input.examples[index].tokens.size());
    }
  }
  at::Tensor& gradients = trainable_.gradients;
  trainable_.ZeroGradients();
  const double scale = 1.0 / static_cast<double>(std::max<std::int64_t>(1, result.targets));
  double sum = 0;
  for (std::size_t i = 0; i < input.micro_batches.size(); ++i) {
    if (stop()) return std::nullopt;
    const Batch batch = MakeBatch(input.examples, input.micro_batches[i], decoder_.device());
    if (batch.targets.rows.size(0) == 0) continue;
    const auto step_seed = model::MixSeed(settings_.seed, static_cast<std::uint64_t>(input.step));
    sum += ForwardBackward(batch, scale * input.loss_scale, model::MixSeed(step_seed, i));
  }
  trainable_.FinishGradients();
  result.loss = sum * scale;
  if (input.loss_scale != 1) gradients.mul_(1 / input.loss_scale);
  result.gradient_norm = optim::Norm(gradients);
  result.finite = std::isfinite(result.loss) && std::isfinite(result.gradient_norm);
  if (!result.finite || result.targets == 0) return result;
  optim::Clip(gradients, result.gradient_norm, settings_.maximum_gradient_norm);
  optim::Update(settings_.optimizer,
                {layout_, input.learning_rate, gradients, trainable_.parameters}, optimizer_);
  trainable_.Refresh();
  return result;
}

std::optional<Evaluation> Stepper::Evaluate(const std::vector<Example>& examples,
                                            std::int64_t batch_size,
                                            const std::function<bool()>& stop) {
  Evaluation evaluation;
  std::vector<std::size_t> indices(examples.size());
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  const auto size = static_cast<std::size_t>(batch_size);
  for (std::size_t begin = 0; begin < indices.size(); begin += size) {
    if (stop()) return std::nullopt;
    const std::size_t count = std::min(size, indices.size() - begin);
    const Batch batch =
        MakeBatch(examples, std::span(indices).subspan(begin, count), decoder_.device());
    const model::PassOptions options;
    const model::PassContext pass{decoder_, trainable_.additions, batch.inputs, options};
    const at::Tensor hidden = model::ForwardLayers(pass, nullptr);
    evaluation.loss += objectives::ComputeSupervisedLoss(pass, hidden, batch.targets, 0).sum;
    evaluation.targets += batch.targets.rows.size(0);
  }
  evaluation.loss /= static_cast<double>(std::max<std::int64_t>(1, evaluation.targets));
  return evaluation;
}

}  // namespace lathe::trainer::loop
