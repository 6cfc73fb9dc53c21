#include "worker/trainer/loop/sampler.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "common/base/random.h"

namespace lathe::trainer::loop {
namespace {

std::int64_t CeilDiv(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

std::int64_t Sampler::StepsPerEpoch() const {
  return CeilDiv(CeilDiv(settings_.examples, settings_.batch_size),
                 settings_.gradient_accumulation);
}

std::vector<std::vector<std::size_t>> Sampler::MicroBatches(std::int64_t step) {
  const std::vector<std::size_t>& order = Order(step / StepsPerEpoch());
  const std::int64_t step_examples = settings_.batch_size * settings_.gradient_accumulation;
  const std::int64_t first = (step % StepsPerEpoch()) * step_examples;
  const std::int64_t last = std::min(settings_.examples, first + step_examples);
  std::vector<std::vector<std::size_t>> batches;
  for (std::int64_t begin = first; begin < last; begin += settings_.batch_size) {
    const std::int64_t end = std::min(last, begin + settings_.batch_size);
    batches.emplace_back(order.begin() + begin, order.begin() + end);
  }
  return batches;
}

// Fisher and Yates' shuffle, of the seed and the epoch.
const std::vector<std::size_t>& Sampler::Order(std::int64_t epoch) {
  if (epoch == order_epoch_) return order_;
  order_.resize(static_cast<std::size_t>(settings_.examples));
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  order_epoch_ = epoch;
  if (!settings_.shuffle) return order_;
  Random random(Random(settings_.seed).Next() + static_cast<std::uint64_t>(epoch));
  for (std::size_t i = order_.size(); i > 1; --i) {
    std::swap(order_[i - 1], order_[random.Below(i)]);
  }
  return order_;
}

}  // namespace lathe::trainer::loop
