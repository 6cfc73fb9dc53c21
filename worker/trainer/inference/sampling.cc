#include "worker/trainer/inference/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace lathe::trainer::inference {
namespace {

/// One of these, by their weights, which add up to `total`.
std::size_t Draw(std::span<const std::size_t> among, std::span<const double> weights, double total,
                 Random& random) {
  double rest = random.Unit() * total;
  for (const std::size_t i : among.first(among.size() - 1)) {
    rest -= weights[i];
    if (rest < 0) return i;
  }
  return among.back();
}

/// Sorts the likeliest tokens to the front until those that may be drawn are there: at least one,
/// at most `top_k`, and not more than it takes to reach top_p of their probability (the nucleus,
/// arXiv 1904.09751). Returns them. A vocabulary has 10^5 tokens and a nucleus some tens, so it is
/// sorted piece by piece.
std::span<const std::size_t> Narrow(std::span<const double> weights,
                                    const SamplingSettings& settings,
                                    std::vector<std::size_t>& order) {
  const auto likelier = [&](std::size_t a, std::size_t b) {
    return weights[a] != weights[b] ? weights[a] > weights[b] : a < b;
  };
  const std::size_t most =
      settings.top_k > 0 && static_cast<std::size_t>(settings.top_k) < order.size()
          ? static_cast<std::size_t>(settings.top_k)
          : order.size();
  double total = 0;
  if (most < order.size()) {
    std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(most) - 1,
                     order.end(), likelier);
  }
  for (std::size_t i = 0; i < most; ++i) total += weights[order[i]];
  double nucleus = 0;
  std::size_t sorted = 0;
  std::size_t count = 0;
  while (count < most && (count == 0 || nucleus < settings.top_p * total)) {
    if (count == sorted) {
      const auto begin = order.begin() + static_cast<std::ptrdiff_t>(sorted);
      sorted = std::min(most, std::max<std::size_t>(64, 4 * sorted));
      std::partial_sort(begin, order.begin() + static_cast<std::ptrdiff_t>(sorted),
                        order.begin() + static_cast<std::ptrdiff_t>(most), likelier);
    }
    nucleus += weights[order[count++]];
  }
  return std::span(order).first(count);
}

}  // namespace

void PenalizeRepetition(std::span<float> logits, std::span<const std::int64_t> seen,
                        double penalty) {
  if (penalty == 1) return;
  std::vector<std::int64_t> tokens(seen.begin(), seen.end());
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  for (const std::int64_t token : tokens) {
    float& logit = logits[static_cast<std::size_t>(token)];
    logit = static_cast<float>(logit > 0 ? logit / penalty : logit * penalty);
  }
}

std::int64_t Sample(std::span<const float> logits, const SamplingSettings& settings,
                    Random& random) {
  const auto best = std::max_element(logits.begin(), logits.end());
  if (settings.temperature <= 0) return best - logits.begin();
  std::vector<double> weights(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    weights[i] = std::exp(static_cast<double>(logits[i] - *best) / settings.temperature);
  }
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::span<const std::size_t> among = order;
  if (settings.top_p < 1 || settings.top_k > 0) among = Narrow(weights, settings, order);
  double total = 0;
  for (const std::size_t i : among) total += weights[i];
  return static_cast<std::int64_t>(Draw(among, weights, total, random));
}

}  // namespace lathe::trainer::inference
