#include "worker/trainer/loop/stepper.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "worker/trainer/device/device.h"
#include "worker/trainer/distributed/share.h"
#include "worker/trainer/model/dropout.h"

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

/// The examples of groups.
std::vector<std::size_t> Members(std::span<const std::size_t> groups, std::size_t size) {
  std::vector<std::size_t> members;
  for (const std::size_t group : groups) {
    for (std::size_t i = 0; i < size; ++i) members.push_back(group * size + i);
  }
  return members;
}

/// What is summed over micro-batches.
struct Sums {
  explicit Sums(const objectives::Objective& objective) : measures(objective.measures.size()) {}
  void Add(const objectives::ObjectiveOutput& output) {
    loss += output.loss;
    for (std::size_t i = 0; i < measures.size(); ++i) measures[i] += output.measures[i];
  }
  /// With the other processes' sums.
  void AddUp(const distributed::Group& group) {
    std::vector<double> values = measures;
    values.insert(values.end(), {loss, memory_bytes});
    group.Sum(values);
    memory_bytes = values.back();
    values.pop_back();
    loss = values.back();
    values.pop_back();
    measures = std::move(values);
  }
  std::vector<double> MeanMeasures(double divisor) const {
    std::vector<double> means = measures;
    for (double& mean : means) mean /= divisor;
    return means;
  }

  double loss = 0;
  double memory_bytes = 0;
  std::vector<double> measures;
};

}  // namespace

Stepper::Stepper(const model::Decoder& decoder, adapters::Trainable trainable,
                 const StepperSettings& settings)
    : decoder_(decoder),
      trainable_(std::move(trainable)),
      settings_(settings),
      layout_(LayoutOf(trainable_)),
      optimizer_(optim::MakeOptimizerState(settings.optimizer, layout_, trainable_.parameters)) {}

objectives::ObjectiveOutput Stepper::ForwardBackward(const Batch& batch, double gradient_scale,
                                                     std::uint64_t dropout_seed) {
  const model::PassOptions options{
      .dropout_seed = dropout_seed, .recompute = settings_.recompute, .offload = settings_.offload};
  const model::PassContext pass{decoder_, trainable_.additions, batch.inputs, options};
  model::Tape tape;
  const at::Tensor hidden = model::ForwardLayers(pass, &tape);
  objectives::ObjectiveOutput output =
      settings_.objective.compute({pass, hidden, batch.targets, batch.reference, gradient_scale});
  model::BackwardLayers(pass, tape, std::move(output.dhidden));
  return output;
}

std::optional<StepResult> Stepper::Step(const StepInput& input, const std::function<bool()>& stop) {
  StepResult result;
  const objectives::Objective& objective = settings_.objective;
  std::int64_t groups = 0;
  for (const auto& indices : input.micro_batches) {
    groups += static_cast<std::int64_t>(indices.size());
    for (const std::size_t index : Members(indices, objective.group)) {
      result.targets += data::CountTargets(input.examples[index]);
      result.tokens += static_cast<std::int64_t>(input.examples[index].tokens.size());
    }
  }
  at::Tensor& gradients = trainable_.gradients;
  trainable_.ZeroGradients();
  const double divisor = objectives::Divisor(objective, result.targets, groups);
  Sums sums(objective);
  const distributed::Group& group = *settings_.group;
  const auto pieces = distributed::Share(input.micro_batches, group.rank(), group.size());
  const auto step_seed = model::MixSeed(settings_.seed, static_cast<std::uint64_t>(input.step));
  bool stopped = pieces.empty() && stop();
  for (const distributed::Piece& piece : pieces) {
    stopped = stop();
    if (stopped) break;
    const Batch batch =
        MakeBatch(input.examples, Members(piece.items, objective.group), decoder_.device());
    if (batch.targets.rows.size(0) == 0) continue;
    sums.Add(
        ForwardBackward(batch, input.loss_scale / divisor, model::MixSeed(step_seed, piece.index)));
  }
  model::AwaitOthers(decoder_);
  if (group.Any(stopped)) return std::nullopt;
  trainable_.FinishGradients();
  sums.memory_bytes = static_cast<double>(device::MemoryBytes(decoder_.device()));
  sums.AddUp(group);
  group.Sum(gradients);
  result.memory_bytes = static_cast<std::int64_t>(sums.memory_bytes);
  result.loss = sums.loss / divisor;
  result.measures = sums.MeanMeasures(divisor);
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
  const objectives::Objective& objective = settings_.objective;
  Evaluation evaluation;
  Sums sums(objective);
  std::vector<std::size_t> groups(examples.size() / objective.group);
  std::iota(groups.begin(), groups.end(), std::size_t{0});
  const auto size = static_cast<std::size_t>(batch_size);
  const distributed::Group& processes = *settings_.group;
  bool stopped = false;
  for (std::size_t begin = 0; begin < groups.size() && !stopped; begin += size) {
    const std::size_t count = std::min(size, groups.size() - begin);
    const auto members = Members(std::span(groups).subspan(begin, count), objective.group);
    for (const std::size_t index : members) {
      evaluation.targets += data::CountTargets(examples[index]);
    }
    stopped = stop();
    const auto turn = static_cast<int>(begin / size % static_cast<std::size_t>(processes.size()));
    if (stopped || turn != processes.rank()) continue;
    const Batch batch = MakeBatch(examples, members, decoder_.device());
    const model::PassOptions options;
    const model::PassContext pass{decoder_, trainable_.additions, batch.inputs, options};
    const at::Tensor hidden = model::ForwardLayers(pass, nullptr);
    sums.Add(objective.compute({pass, hidden, batch.targets, batch.reference, 0}));
  }
  model::AwaitOthers(decoder_);
  if (processes.Any(stopped)) return std::nullopt;
  sums.AddUp(processes);
  const double divisor =
      objectives::Divisor(objective, evaluation.targets, static_cast<std::int64_t>(groups.size()));
  evaluation.loss = sums.loss / divisor;
  evaluation.measures = sums.MeanMeasures(divisor);
  return evaluation;
}

}  // namespace lathe::trainer::loop
