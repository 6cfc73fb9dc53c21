// Adafactor (https://arxiv.org/abs/1804.04235): the second moment of a matrix is kept as the means
// of its rows and columns; vectors keep theirs whole. As transformers' Adafactor with
// scale_parameter and relative_step off, which is how its Trainer uses it: the learning rate is the
// schedule's alone, and there is no first moment. beta1, beta2 and epsilon of the configuration
// play no part; the constants are the paper's.

#include <ATen/ops/mul.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "worker/trainer/optim/kinds.h"

namespace lathe::trainer::optim::adafactor {
namespace {

constexpr double kSquareEpsilon = 1e-30;  ///< added to squared gradients
constexpr double kClipThreshold = 1;      ///< of the root mean square of a view's update
constexpr double kDecayExponent = -0.8;   ///< the second moment forgets 1 - t^kDecayExponent

constexpr char kRows[] = "row_moment";
constexpr char kColumns[] = "column_moment";
constexpr char kVectors[] = "vector_moment";

bool IsMatrix(const ParameterView& view) {
  return view.shape.size() >= 2;
}

/// Leading dimensions count as rows.
std::int64_t Columns(const ParameterView& view) {
  return view.shape.back();
}

/// Where the moments of a view begin in each of the three tensors.
struct Cursor {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t vectors = 0;

  void Pass(const ParameterView& view) {
    if (!IsMatrix(view)) {
      vectors += ElementCount(view);
      return;
    }
    rows += ElementCount(view) / Columns(view);
    columns += Columns(view);
  }
};

/// moment = decay * moment + (1 - decay) * values
void Average(const at::Tensor& moment, const at::Tensor& values, double decay) {
  moment.mul_(decay).add_(values, 1 - decay);
}

/// gradient / sqrt(estimated second moment), for a matrix.
at::Tensor MatrixUpdate(const at::Tensor& gradient, const at::Tensor& rows,
                        const at::Tensor& columns, double decay) {
  const at::Tensor square = gradient.square().add_(kSquareEpsilon);
  Average(rows, square.mean(1), decay);
  Average(columns, square.mean(0), decay);
  const at::Tensor row_factor = rows.div(rows.mean()).rsqrt_();
  return at::mul(row_factor.unsqueeze(1), columns.rsqrt().unsqueeze(0)).mul_(gradient);
}

at::Tensor VectorUpdate(const at::Tensor& gradient, const at::Tensor& moment, double decay) {
  Average(moment, gradient.square().add_(kSquareEpsilon), decay);
  return moment.rsqrt().mul_(gradient);
}

}  // namespace

OptimizerState Make(const OptimizerSettings&, const Layout& layout, const at::Tensor& parameters) {
  Cursor end;
  for (const ParameterView& view : layout) end.Pass(view);
  return {.tensors = {{kRows, at::zeros({end.rows}, parameters.options())},
                      {kColumns, at::zeros({end.columns}, parameters.options())},
                      {kVectors, at::zeros({end.vectors}, parameters.options())}}};
}

void Update(const OptimizerSettings& settings, const UpdateArguments& arguments,
            OptimizerState& state) {
  const double decay = 1 - std::pow(static_cast<double>(state.updates), kDecayExponent);
  Cursor cursor;
  for (const ParameterView& view : arguments.layout) {
    const std::int64_t count = ElementCount(view);
    if (count == 0) continue;
    at::Tensor parameters = arguments.parameters.narrow(0, view.offset, count);
    at::Tensor gradient = arguments.gradient.narrow(0, view.offset, count);
    at::Tensor update;
    if (IsMatrix(view)) {
      const std::int64_t columns = Columns(view);
      update = MatrixUpdate(gradient.view({count / columns, columns}),
                            state.tensors.at(kRows).narrow(0, cursor.rows, count / columns),
                            state.tensors.at(kColumns).narrow(0, cursor.columns, columns), decay)
                   .view({count});
    } else {
      update = VectorUpdate(gradient, state.tensors.at(kVectors).narrow(0, cursor.vectors, count),
                            decay);
    }
    cursor.Pass(view);
    // Stays a tensor: reading it would make the host wait for the device once a view.
    const at::Tensor root_mean_square = update.norm().div_(std::sqrt(static_cast<double>(count)));
    update.div_(root_mean_square.div_(kClipThreshold).clamp_(1));
    if (settings.weight_decay != 0) {
      parameters.mul_(1 - settings.weight_decay * arguments.learning_rate);
    }
    parameters.add_(update, -arguments.learning_rate);
  }
}

}  // namespace lathe::trainer::optim::adafactor
