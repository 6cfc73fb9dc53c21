#include "worker/trainer/model/product.h"

#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

namespace lathe::trainer::model {
namespace {

/// torch multiplies fp32 matrices by MKL, whose kernels for AMD's processors leave AVX-512 unused:
/// oneDNN's are a sixth to a quarter faster there (tests/bench/results/trainer_cpu.md).
bool OneDnnIsFaster() {
#if defined(__x86_64__)
  static const bool faster =
      __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512f") && HasOneDnn();
  return faster;
#else
  return false;
#endif
}

/// oneDNN brings the weight into an order of its own each time: that must be little beside the
/// product itself, and the copy must be small.
bool IsWorthIt(const at::Tensor& x, const at::Tensor& weight) {
  constexpr std::int64_t kRows = 32;
  constexpr std::int64_t kElements = std::int64_t{1} << 25;
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.size(0) >= kRows &&
         weight.numel() <= kElements;
}

}  // namespace

bool HasOneDnn() {
  return c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""}).has_value();
}

at::Tensor OneDnnProduct(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  using Scalars = c10::List<std::optional<at::Scalar>>;
  using Function =
      at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                 c10::string_view, Scalars, std::optional<c10::string_view>);
  static const auto function = c10::Dispatcher::singleton()
                                   .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
                                   .typed<Function>();
  const std::optional<at::Tensor> added = bias.defined() ? std::optional(bias) : std::nullopt;
  return function.call(x, weight, added, "none", Scalars(), "");
}

at::Tensor Product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (IsWorthIt(x, weight) && OneDnnIsFaster()) return OneDnnProduct(x, weight, bias);
  return bias.defined() ? at::addmm(bias, x, weight.t()) : at::mm(x, weight.t());
}

}  // namespace lathe::trainer::model
