#include "worker/trainer/loop/sampler.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "common/base/random.h"

namespace lathe::trainer::loop {
namespace {

/// Apart from the shuffle of examples: another stream of the same seed.
constexpr std::uint64_t kBatchShuffle = 0x5041434B;

std::int64_t CeilDiv(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

Random EpochRandom(std::uint64_t seed, std::int64_t epoch) {
  return Random(Random(seed).Next() + static_cast<std::uint64_t>(epoch));
}

/// Fisher and Yates' shuffle.
template <class T>
void Shuffle(Random random, std::vector<T>& values) {
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[random.Below(i)]);
  }
}

std::vector<MicroBatch> Chunks(const std::vector<std::size_t>& order, std::int64_t size) {
  std::vector<MicroBatch> chunks;
  const auto count = static_cast<std::size_t>(size);
  for (std::size_t begin = 0; begin < order.size(); begin += count) {
    const std::size_t end = std::min(order.size(), begin + count);
    chunks.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(begin),
                        order.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return chunks;
}

}  // namespace

std::int64_t Sampler::StepsInEpoch(std::int64_t epoch) {
  // Only packing needs to look at the order for that.
  const std::int64_t micro_batches = settings_.grouping == Grouping::kPacked
                                         ? static_cast<std::int64_t>(Epoch(epoch).size())
                                         : CeilDiv(settings_.examples, settings_.batch_size);
  return CeilDiv(micro_batches, settings_.gradient_accumulation);
}

std::int64_t Sampler::StepsIn(std::int64_t epochs) {
  while (static_cast<std::int64_t>(first_steps_.size()) <= epochs) {
    const auto epoch = static_cast<std::int64_t>(first_steps_.size()) - 1;
    first_steps_.push_back(first_steps_.back() + StepsInEpoch(epoch));
  }
  return first_steps_[static_cast<std::size_t>(epochs)];
}

Sampler::Place Sampler::Locate(std::int64_t step) {
  while (first_steps_.back() <= step) StepsIn(static_cast<std::int64_t>(first_steps_.size()));
  const auto after = std::upper_bound(first_steps_.begin(), first_steps_.end(), step);
  return {after - first_steps_.begin() - 1, step - *(after - 1)};
}

double Sampler::EpochsAt(std::int64_t done) {
  const Place place = Locate(done);
  const std::int64_t steps = StepsIn(place.epoch + 1) - StepsIn(place.epoch);
  return static_cast<double>(place.epoch) +
         static_cast<double>(place.step) / static_cast<double>(steps);
}

std::vector<MicroBatch> Sampler::MicroBatches(std::int64_t step) {
  const Place place = Locate(step);
  const std::vector<MicroBatch>& epoch = Epoch(place.epoch);
  const auto accumulation = static_cast<std::size_t>(settings_.gradient_accumulation);
  const std::size_t begin = static_cast<std::size_t>(place.step) * accumulation;
  const std::size_t end = std::min(epoch.size(), begin + accumulation);
  std::vector<MicroBatch> batches(epoch.begin() + static_cast<std::ptrdiff_t>(begin),
                                  epoch.begin() + static_cast<std::ptrdiff_t>(end));
  if (settings_.grouping != Grouping::kBalanced) return batches;
  std::vector<std::size_t> examples;
  for (const MicroBatch& batch : batches) {
    examples.insert(examples.end(), batch.begin(), batch.end());
  }
  return Balance(
      examples, settings_.lengths,
      {.parts = static_cast<std::int64_t>(batches.size()), .capacity = settings_.batch_size});
}

const std::vector<MicroBatch>& Sampler::Epoch(std::int64_t epoch) {
  if (epoch == made_epoch_) return made_;
  const std::vector<std::size_t> order = Order(epoch);
  made_epoch_ = epoch;
  if (settings_.grouping != Grouping::kPacked) {
    return made_ = Chunks(order, settings_.batch_size);
  }
  made_ = Pack(order, settings_.lengths, settings_.token_budget);
  // Packing puts micro-batches of few long examples behind those of many short ones.
  if (settings_.shuffle) Shuffle(EpochRandom(settings_.seed ^ kBatchShuffle, epoch), made_);
  return made_;
}

std::vector<std::size_t> Sampler::Order(std::int64_t epoch) const {
  std::vector<std::size_t> order(static_cast<std::size_t>(settings_.examples));
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (settings_.shuffle) Shuffle(EpochRandom(settings_.seed, epoch), order);
  return order;
}

}  // namespace lathe::trainer::loop
