#include "worker/trainer/kernels/few_row_product.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <vector>

#include "common/base/check.h"
#include "worker/trainer/kernels/dot_choice.h"
#include "worker/trainer/kernels/panels.h"
#include "worker/trainer/kernels/tasks.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

namespace {

/// Lines of the weight that a thread takes at a time: as many as leave all threads enough to do.
std::int64_t LinesATask(std::int64_t lines) {
  return std::max<std::int64_t>(64, lines / (4 * at::get_num_threads()) / 4 * 4);
}
constexpr std::size_t kSegments = 8;

/// A low-rank product as a segment; its first line is line `begin` of the result.
template <class T>
struct LowRankSegment {
  DotSegment<T> segment;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

template <class T>
void Multiply(const at::Tensor& x, const at::Tensor& weight, const GemmOptions& options,
              const at::Tensor& out) {
  at::Tensor bias;
  if (options.bias.defined()) bias = options.bias.to(at::kFloat).contiguous();
  std::vector<at::Tensor> lefts;
  std::vector<LowRankSegment<T>> low_rank;
  for (const LowRankProduct& product : options.low_rank) {
    LATHE_CHECK(product.right.stride(1) == 1, "lines of a low-rank product are contiguous");
    lefts.push_back(product.left * product.scale);
    low_rank.push_back({{Data<T>(product.right), product.right.stride(0), Data<T>(lefts.back()),
                         lefts.back().stride(0), product.right.size(1)},
                        product.begin,
                        product.begin + product.right.size(0)});
  }
  LATHE_CHECK(low_rank.size() < kSegments, "too many low-rank products");
  // Lines of the weight are columns of the result.
  const std::vector<Panel> panels =
      PanelsOf(weight.size(0), options.low_rank, LinesATask(weight.size(0)));
  const std::int64_t work = weight.numel() * std::max(kReadWork, x.size(0));
  ForTasks(static_cast<std::int64_t>(panels.size()), work, [&](std::int64_t task, std::int64_t) {
    const Panel& panel = panels[static_cast<std::size_t>(task)];
    std::array<DotSegment<T>, kSegments> segments;
    segments[0] = {Data<T>(weight) + panel.begin * weight.stride(0), weight.stride(0), Data<T>(x),
                   x.stride(0), weight.size(1)};
    std::size_t count = 1;
    for (const LowRankSegment<T>& own : low_rank) {
      if (panel.begin < own.begin || panel.begin >= own.end) continue;
      segments[count] = own.segment;
      segments[count++].lines += (panel.begin - own.begin) * own.segment.line_stride;
    }
    DotsOf<T>().dots({.segments = segments.data(),
                      .segment_count = static_cast<std::int64_t>(count),
                      .lines = panel.columns,
                      .rows = x.size(0),
                      .bias = bias.defined() ? Data<float>(bias) + panel.begin : nullptr,
                      .out = Data<T>(out) + panel.begin,
                      .out_stride = out.stride(0)});
  });
}

}  // namespace

bool HasFewRowProduct(const at::Tensor& x, const at::Tensor& weight) {
  return HasDots(x) && !HasGemm(x) && x.stride(1) == 1 && weight.stride(1) == 1;
}

at::Tensor FewRowProduct(const at::Tensor& x, const at::Tensor& weight,
                         const GemmOptions& options) {
  at::Tensor out = at::empty({x.size(0), weight.size(0)}, x.options());
  DispatchTiles(x, [&](auto tag) { Multiply<decltype(tag)>(x, weight, options, out); });
  return out;
}

#else

bool HasFewRowProduct(const at::Tensor&, const at::Tensor&) {
  return false;
}
at::Tensor FewRowProduct(const at::Tensor&, const at::Tensor&, const GemmOptions&) {
  LATHE_CHECK(false, "no matrix products of our own on this processor");
}

#endif

}  // namespace lathe::trainer::kernels
