#include "worker/trainer/loop/stepper.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "worker/trainer/device/device.h"
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
    if (output.later.defined()) later = later.defined() ? later.add(output.later) : output.later;
  }
  /// With what has been left for later and the other processes' sums.
  void AddUp(const distributed::Group& group) {
    if (later.defined()) {
      const at::Tensor arrived = later.to(at::kCPU);
      const auto* next = static_cast<const double*>(arrived.data_ptr());
      loss += *next++;
      for (double& measure : measures) measure += *next++;
      later.reset();
    }
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
  at::Tensor later;
};

}  // namespace

/// What one process computes of a step.
struct Stepper::Share {
  const StepInput& input;
  std::vector<distributed::Piece> pieces;
  double gradient_scale = 0;
  Sums& sums;
};

Stepper::Stepper(const model::Decoder& decoder, adapters::Trainable trainable,
                 const StepperSettings& settings)
    : decoder_(decoder),
      trainable_(std::move(trainable)),
      settings_(settings),
      layout_(LayoutOf(trainable_)),
      gradient_parts_(PartsOf(decoder, trainable_, settings.least_gradient_part)),
      optimizer_(optim::MakeOptimizerState(settings.optimizer, layout_, trainable_.parameters)) {}

void Stepper::ComputePiece(const Share& share, const distributed::Piece& piece,
                           std::function<void(std::size_t)> layer_done) {
  const StepInput& input = share.input;
  const Batch batch =
      MakeBatch(input.examples, Members(piece.items, settings_.objective.group), decoder_.device());
  if (batch.targets.rows.size(0) == 0) return;
  const auto step_seed = model::MixSeed(settings_.seed, static_cast<std::uint64_t>(input.step));
  const model::PassOptions options{.dropout_seed = model::MixSeed(step_seed, piece.index),
                                   .recompute = settings_.recompute,
                                   .offload = settings_.offload,
                                   .layer_done = std::move(layer_done)};
  const model::PassContext pass{decoder_, trainable_.additions, batch.inputs, options};
  model::Tape tape;
  const at::Tensor hidden = model::ForwardLayers(pass, &tape);
  objectives::ObjectiveOutput output = settings_.objective.compute(
      {pass, hidden, batch.targets, batch.reference, share.gradient_scale});
  model::BackwardLayers(pass, tape, std::move(output.dhidden));
  share.sums.Add(output);
}

/// False when any process was asked to stop. Before sums of gradients begin, all know that all will
/// take part: so the last micro-batch waits until everybody has come so far. Where layers come from
/// the other processes, these need this one in between, and sums begin after the pass.
bool Stepper::ComputeShare(const Share& share, GradientSums& gradient_sums,
                           const std::function<bool()>& stop) {
  const distributed::Group& group = *settings_.group;
  const bool overlaps = decoder_.source == nullptr;
  bool stopped = share.pieces.empty() && stop();
  for (std::size_t i = 0; i < share.pieces.size(); ++i) {
    stopped = stop();
    if (stopped || (overlaps && i + 1 == share.pieces.size())) break;
    ComputePiece(share, share.pieces[i], {});
  }
  model::AwaitOthers(decoder_);
  if (group.Any(stopped)) return false;
  if (overlaps && !share.pieces.empty()) {
    ComputePiece(share, share.pieces.back(),
                 [&](std::size_t layer) { gradient_sums.LayerDone(layer); });
  }
  return true;
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
  const Share share{input, distributed::Share(input.micro_batches, group.rank(), group.size()),
                    input.loss_scale / divisor, sums};
  GradientSums gradient_sums(group, gradients, gradient_parts_);
  if (!ComputeShare(share, gradient_sums, stop)) return std::nullopt;
  trainable_.FinishGradients();
  gradient_sums.Finish();
  sums.memory_bytes = static_cast<double>(device::MemoryBytes(decoder_.device()));
  sums.AddUp(group);
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
