// Products with quantised weights on a GPU, as they are stored and dequantised first, by the number
// of rows: where one becomes faster than the other is what quantization::kMostStoredRows should be.
//   gpu_products [REPEATS]
// Prints a table in Markdown; medians of five rounds. 77 where there is no GPU.

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "worker/trainer/quantization/stored_product_cuda.h"

namespace lathe::trainer::quantization {
namespace {

constexpr int kRounds = 5;
/// Codes that one round reads before it comes back to the first: more than a cache holds, as the
/// layers of a model are.
constexpr std::int64_t kBytes = 256 << 20;
constexpr std::int64_t kRows[] = {1, 8, 16, 32, 64, 128, 192, 256, 384, 512, 1024};
constexpr std::pair<std::int64_t, std::int64_t> kShapes[] = {
    {1024, 4096}, {4096, 4096}, {14336, 4096}, {4096, 14336}};
const at::Device kDevice(at::kCUDA, 0);

/// NF4 with scales of scales; which codes they are does not matter.
QuantizedMatrix Random(std::int64_t rows, std::int64_t columns) {
  const std::int64_t blocks = rows * columns / kBlock;
  const auto bytes = at::TensorOptions(at::kByte).device(kDevice);
  return {.type = QuantizationType::kNf4,
          .rows = rows,
          .columns = columns,
          .codes = at::randint(256, {rows * columns / 2}, bytes),
          .absmax = {},
          .absmax_codes = at::randint(256, {blocks}, bytes),
          .nested_absmax =
              at::randn({(blocks + kNestedBlock - 1) / kNestedBlock}, bytes.dtype(at::kFloat)),
          .offset = 0.02F};
}

/// Microseconds of one call, of which `repeats` are queued one after another.
double Time(int repeats, const std::function<at::Tensor(int)>& call) {
  std::vector<double> rounds;
  for (int round = 0; round <= kRounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    at::Tensor last;
    for (int i = 0; i < repeats; ++i) last = call(i);
    last.select(0, 0).select(0, 0).item<float>();  // Waits for all of them.
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - begin;
    if (round > 0) rounds.push_back(time.count() / repeats);
  }
  std::sort(rounds.begin(), rounds.end());
  return rounds[kRounds / 2];
}

void MeasureShape(std::int64_t out, std::int64_t in, int repeats) {
  const auto options = at::TensorOptions(at::kBFloat16).device(kDevice);
  std::vector<QuantizedMatrix> matrices;
  while (static_cast<std::int64_t>(matrices.size()) * out * in / 2 < kBytes) {
    matrices.push_back(Random(out, in));
  }
  const auto matrix = [&](int i) -> const QuantizedMatrix& {
    return matrices[static_cast<std::size_t>(i) % matrices.size()];
  };
  at::Tensor weight = at::empty({out, in}, options);
  for (const std::int64_t rows : kRows) {
    const at::Tensor x = at::randn({rows, in}, options);
    const at::Tensor dy = at::randn({rows, out}, options);
    at::Tensor y = at::empty({rows, out}, options);
    const double stored = Time(repeats, [&](int i) {
      MultiplyStoredByKernels(matrix(i), x, {}, y);
      return y;
    });
    const double dense = Time(repeats, [&](int i) {
      Dequantize(matrix(i), weight);
      return at::mm(x, weight.t());
    });
    const double through = Time(repeats, [&](int i) {
      return MultiplyThroughStoredByKernels({&matrix(i), 1}, dy, {});
    });
    const double through_dense = Time(repeats, [&](int i) {
      Dequantize(matrix(i), weight);
      return at::mm(dy, weight);
    });
    std::printf("| %lld x %lld | %lld | %.1f | %.1f | %.2f | %.1f | %.1f | %.2f |\n",
                static_cast<long long>(out), static_cast<long long>(in),
                static_cast<long long>(rows), stored, dense, dense / stored, through, through_dense,
                through_dense / through);
  }
}

int Main(int repeats) {
  if (!at::globalContext().hasCUDA()) {
    std::fprintf(stderr, "gpu_products: skipped: this machine has no usable GPU\n");
    return 77;
  }
  std::printf(
      "| weight | rows | stored, us | dense, us | ratio | through, us | dense, us | ratio |\n"
      "|---|---|---|---|---|---|---|---|\n");
  for (const auto& [out, in] : kShapes) MeasureShape(out, in, repeats);
  return 0;
}

}  // namespace
}  // namespace lathe::trainer::quantization

int main(int argc, char** argv) {
  const int repeats = argc > 1 ? std::atoi(argv[1]) : 50;
  if (argc > 2 || repeats < 1) {
    std::fputs("usage: gpu_products [REPEATS]\n", stderr);
    return 64;
  }
  return lathe::trainer::quantization::Main(repeats);
}
