#include "worker/trainer/adapters/lora.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "worker/trainer/adapters/flat.h"
#include "worker/trainer/adapters/selection.h"

namespace lathe::trainer::adapters {
namespace {

/// Matrices and vectors as consecutive views of a flat tensor.
class Flat {
 public:
  explicit Flat(const at::Tensor& values) : values_(values) {}
  /// Undefined when there is no flat tensor.
  at::Tensor At(std::int64_t offset, std::int64_t rows, std::int64_t columns) const {
    if (!values_.defined()) return {};
    return values_.narrow(0, offset, rows * columns).view({rows, columns});
  }
  at::Tensor At(std::int64_t offset, std::int64_t size) const {
    return values_.defined() ? values_.narrow(0, offset, size) : at::Tensor();
  }

 private:
  const at::Tensor& values_;
};

}  // namespace

Result<LoraAdapter> LoraAdapter::Create(const model::Decoder& decoder, const LoraSettings& settings,
                                        Purpose purpose) {
  LoraAdapter adapter;
  adapter.settings_ = settings;
  LATHE_ASSIGN_OR_RETURN(adapter.modules_, SelectModules(decoder, settings));
  adapter.biases_ = SelectBiases(decoder, adapter.modules_, settings.bias);
  adapter.Allocate(decoder, purpose);
  return adapter;
}

void LoraAdapter::Allocate(const model::Decoder& decoder, Purpose purpose) {
  std::int64_t total = 0;
  std::vector<DoraNorms::Place> places;
  for (const LoraModule& module : modules_) {
    const model::FusedLinear& linear = model::LinearAt(decoder, module.group);
    const std::int64_t out = linear.parts[module.part].size;
    total += module.rank * (linear.weight.size(1) + out) + (settings_.dora ? out : 0);
    if (settings_.dora) places.push_back({module.group, module.part});
  }
  if (settings_.dora) norms_ = DoraNorms(decoder, std::move(places));
  for (const LoraBias& bias : biases_) {
    const model::FusedLinear& linear = model::LinearAt(decoder, bias.group);
    const model::LinearPart& part = linear.parts[bias.part];
    initial_biases_.push_back(linear.bias.narrow(0, part.begin, part.size));
    total += part.size;
  }
  const auto options = at::TensorOptions().dtype(at::kFloat).device(decoder.device());
  parameters_ = at::zeros({total}, options);
  if (purpose == Purpose::kTraining) gradients_ = at::zeros({total}, options);
  compute_ = decoder.dtype() == at::kFloat ? parameters_ : parameters_.to(decoder.dtype());
  low_rank_.dropout = settings_.dropout;
  low_rank_.groups.resize(model::HeadGroupIndex(decoder) + 1);
  std::int64_t offset = 0;
  for (std::size_t group = 0; group < low_rank_.groups.size(); ++group) {
    offset = AllocateGroup(model::LinearAt(decoder, group), group, offset);
  }
}

// The flat layout: fused layers in their order; of each first its stacked A, then its Bs, each with
// its magnitudes, then its biases.
std::int64_t LoraAdapter::AllocateGroup(const model::FusedLinear& linear, std::size_t index,
                                        std::int64_t offset) {
  const Flat master(parameters_);
  const Flat compute(compute_);
  const Flat gradient(gradients_);
  const std::int64_t in = linear.weight.size(1);
  std::vector<LoraModule*> modules;
  std::int64_t ranks = 0;
  for (LoraModule& module : modules_) {
    if (module.group != index) continue;
    modules.push_back(&module);
    ranks += module.rank;
  }
  model::LowRankGroup group;
  if (ranks > 0) group.a = compute.At(offset, ranks, in);
  if (ranks > 0) group.a_gradient = gradient.At(offset, ranks, in);
  std::int64_t a_offset = offset;
  offset += ranks * in;
  std::int64_t row = 0;
  for (LoraModule* module : modules) {
    const model::LinearPart& part = linear.parts[module->part];
    module->a = master.At(a_offset, module->rank, in);
    module->b = master.At(offset, part.size, module->rank);
    group.parts.push_back({part.begin,
                           part.size,
                           row,
                           module->rank,
                           module->scale,
                           compute.At(offset, part.size, module->rank),
                           gradient.At(offset, part.size, module->rank),
                           {}});
    a_offset += module->rank * in;
    offset += part.size * module->rank;
    row += module->rank;
    if (!settings_.dora) continue;
    module->magnitude = master.At(offset, part.size);
    group.parts.back().magnitude_gradient = gradient.At(offset, part.size);
    offset += part.size;
  }
  if (settings_.dora && ranks > 0) {
    const at::Tensor ones = at::ones({linear.weight.size(0)}, parameters_.options());
    group.scales = model::RowScales{ones, ones.clone()};
  }
  for (LoraBias& bias : biases_) {
    if (bias.group != index) continue;
    const model::LinearPart& part = linear.parts[bias.part];
    bias.values = master.At(offset, part.size);
    group.biases.push_back({part.begin, part.size, gradient.At(offset, part.size)});
    offset += part.size;
  }
  if (!group.biases.empty()) group.bias = linear.bias.clone();
  if (ranks > 0 || !group.biases.empty()) low_rank_.groups[index] = std::move(group);
  return offset;
}

void LoraAdapter::Initialize(std::uint64_t seed) {
  for (std::size_t i = 0; i < modules_.size(); ++i) {
    at::Generator generator = MakeGenerator(seed, i);
    const double bound = 1.0 / std::sqrt(static_cast<double>(modules_[i].a.size(1)));
    // Drawn on the CPU, so that every device starts from the same values.
    at::Tensor values = at::empty(modules_[i].a.sizes(), at::kFloat);
    modules_[i].a.copy_(values.uniform_(-bound, bound, generator));
    modules_[i].b.zero_();
  }
  norms_.Measure(
      [&](std::size_t i) { return AdditionOf(i); },
      [&](std::size_t i, const at::Tensor& norms) { modules_[i].magnitude.copy_(norms); });
  for (std::size_t i = 0; i < biases_.size(); ++i) biases_[i].values.copy_(initial_biases_[i]);
  Refresh();
}

DoraNorms::Addition LoraAdapter::AdditionOf(std::size_t module) const {
  return {modules_[module].a, modules_[module].b, modules_[module].scale};
}

void LoraAdapter::Refresh() const {
  if (!compute_.is_same(parameters_)) compute_.copy_(parameters_);
  const auto scale = [&](std::size_t i, const at::Tensor& norms) {
    const LoraModule& module = modules_[i];
    const model::RowScales& scales = *low_rank_.groups[module.group]->scales;
    const std::int64_t size = norms.size(0);
    scales.inverse_norm.narrow(0, module.begin, size).copy_(norms.reciprocal());
    scales.factor.narrow(0, module.begin, size).copy_(module.magnitude / norms);
  };
  norms_.Measure([&](std::size_t i) { return AdditionOf(i); }, scale);
  for (const LoraBias& bias : biases_) {
    low_rank_.groups[bias.group]
        ->bias.narrow(0, bias.begin, bias.values.size(0))
        .copy_(bias.values);
  }
}

}  // namespace lathe::trainer::adapters
