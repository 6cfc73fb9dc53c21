#include "worker/trainer/optim/optimizer.h"

#include <ATen/ops/linalg_vector_norm.h>

#include <array>

#include "worker/trainer/optim/kinds.h"

namespace lathe::trainer::optim {
namespace {

struct Kind {
  OptimizerType type;
  OptimizerState (*make)(const OptimizerSettings&, const Layout&, const at::Tensor&);
  void (*update)(const OptimizerSettings&, const UpdateArguments&, OptimizerState&);
};

constexpr std::array kKinds = {
    Kind{OptimizerType::kAdamW, adamw::Make, adamw::Update},
    Kind{OptimizerType::kAdamW8Bit, adamw_8bit::Make, adamw_8bit::Update},
    Kind{OptimizerType::kSgd, sgd::Make, sgd::Update},
    Kind{OptimizerType::kAdafactor, adafactor::Make, adafactor::Update},
    Kind{OptimizerType::kLion, lion::Make, lion::Update},
};

struct Name {
  std::string_view name;
  NamedOptimizer optimizer;
};

constexpr std::array kNames = {
    Name{"adamw", {OptimizerType::kAdamW, false}},
    Name{"adamw_8bit", {OptimizerType::kAdamW8Bit, false}},
    Name{"paged_adamw_8bit", {OptimizerType::kAdamW8Bit, true}},
    Name{"sgd", {OptimizerType::kSgd, false}},
    Name{"adafactor", {OptimizerType::kAdafactor, false}},
    Name{"lion", {OptimizerType::kLion, false}},
};

const Kind& KindOf(OptimizerType type) {
  return kKinds[static_cast<std::size_t>(type)];
}

}  // namespace

std::int64_t ElementCount(const ParameterView& view) {
  std::int64_t count = 1;
  for (const std::int64_t size : view.shape) count *= size;
  return count;
}

OptimizerState MakeOptimizerState(const OptimizerSettings& settings, const Layout& layout,
                                  const at::Tensor& parameters) {
  return KindOf(settings.type).make(settings, layout, parameters);
}

void Update(const OptimizerSettings& settings, const UpdateArguments& arguments,
            OptimizerState& state) {
  ++state.updates;
  KindOf(settings.type).update(settings, arguments, state);
}

std::optional<NamedOptimizer> OptimizerFromName(std::string_view name) {
  for (const Name& row : kNames) {
    if (row.name == name) return row.optimizer;
  }
  return std::nullopt;
}

double Norm(const at::Tensor& gradient) {
  return at::linalg_vector_norm(gradient, 2, at::OptionalIntArrayRef(), false, at::kDouble)
      .item<double>();
}

void Clip(at::Tensor& gradient, double norm, double maximum) {
  if (maximum <= 0) return;
  const double factor = maximum / (norm + 1e-6);
  if (factor < 1) gradient.mul_(factor);
}

}  // namespace lathe::trainer::optim
