#include "worker/trainer/adapters/lora.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "worker/trainer/adapters/flat.h"
#include "worker/trainer/adapters/selection.h"

namespace lathe::trainer::adapters {
namespace {

/// Matrices as consecutive views of a flat tensor.
class Flat {
 public:
  explicit Flat(const at::Tensor& values) : values_(values) {}
  /// Undefined when there is no flat tensor.
  at::Tensor At(std::int64_t offset, std::int64_t rows, std::int64_t columns) const {
    if (!values_.defined()) return {};
    return values_.narrow(0, offset, rows * columns).view({rows, columns});
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
  adapter.Allocate(decoder, purpose);
  return adapter;
}

// The flat layout: fused layers in their order; of each first its stacked A, then its Bs.
void LoraAdapter::Allocate(const model::Decoder& decoder, Purpose purpose) {
  std::int64_t total = 0;
  for (const LoraModule& module : modules_) {
    const model::FusedLinear& linear = model::LinearAt(decoder, module.group);
    total += module.rank * (linear.weight.size(1) + linear.parts[module.part].size);
  }
  const auto options = at::TensorOptions().dtype(at::kFloat).device(decoder.device());
  parameters_ = at::zeros({total}, options);
  if (purpose == Purpose::kTraining) gradients_ = at::zeros({total}, options);
  compute_ = decoder.dtype() == at::kFloat ? parameters_ : parameters_.to(decoder.dtype());
  const Flat master(parameters_);
  const Flat compute(compute_);
  const Flat gradient(gradients_);
  low_rank_.dropout = settings_.dropout;
  low_rank_.groups.resize(model::HeadGroupIndex(decoder) + 1);
  std::int64_t offset = 0;
  for (std::size_t begin = 0; begin < modules_.size();) {
    std::size_t end = begin;
    std::int64_t ranks = 0;
    while (end < modules_.size() && modules_[end].group == modules_[begin].group) {
      ranks += modules_[end++].rank;
    }
    const model::FusedLinear& linear = model::LinearAt(decoder, modules_[begin].group);
    const std::int64_t in = linear.weight.size(1);
    model::LowRankGroup group{compute.At(offset, ranks, in), gradient.At(offset, ranks, in), {}};
    std::int64_t a_offset = offset;
    offset += ranks * in;
    std::int64_t row = 0;
    for (; begin < end; ++begin) {
      LoraModule& module = modules_[begin];
      const model::LinearPart& part = linear.parts[module.part];
      module.a = master.At(a_offset, module.rank, in);
      module.b = master.At(offset, part.size, module.rank);
      group.parts.push_back({part.begin, part.size, row, module.rank, module.scale,
                             compute.At(offset, part.size, module.rank),
                             gradient.At(offset, part.size, module.rank)});
      a_offset += module.rank * in;
      offset += part.size * module.rank;
      row += module.rank;
    }
    low_rank_.groups[modules_[end - 1].group] = std::move(group);
  }
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
  Refresh();
}

void LoraAdapter::Refresh() const {
  if (!compute_.is_same(parameters_)) compute_.copy_(parameters_);
}

}  // namespace lathe::trainer::adapters
