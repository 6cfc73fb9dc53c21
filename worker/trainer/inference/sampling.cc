#include "worker/trainer/inference/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace lathe::trainer::inference {

std::int64_t Sample(std::span<const float> logits, const SamplingSettings& settings,
                    Random& random) {
  const auto best = std::max_element(logits.begin(), logits.end());
  if (settings.temperature <= 0) return best - logits.begin();
  std::vector<double> weights(logits.size());
  double total = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    weights[i] = std::exp(static_cast<double>(logits[i] - *best) / settings.temperature);
    total += weights[i];
  }
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return weights[a] > weights[b]; });
  // The nucleus: at least one token, then until top_p is reached (arXiv 1904.09751).
  double nucleus = 0;
  std::size_t count = 0;
  while (count < order.size() && (count == 0 || nucleus < settings.top_p * total)) {
    nucleus += weights[order[count++]];
  }
  double rest = random.Unit() * nucleus;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    rest -= weights[order[i]];
    if (rest < 0) return static_cast<std::int64_t>(order[i]);
  }
  return static_cast<std::int64_t>(order[count - 1]);
}

}  // namespace lathe::trainer::inference
