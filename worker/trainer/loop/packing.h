#pragma once
// How examples are put together into micro-batches of equal work. Nothing is ever padded here:
// examples lie one after another in a micro-batch and never see each other (model/decoder.h), so
// that putting them together changes how long a step takes, not what it computes. Pure.

#include <cstdint>
#include <span>
#include <vector>

namespace lathe::trainer::loop {

using MicroBatch = std::vector<std::size_t>;  ///< indices of examples

/// Puts examples into as few micro-batches of at most `budget` tokens as best-fit decreasing finds:
/// the longest first, each into the fullest micro-batch that it fits in. Works through `order` in
/// windows of some dozens of budgets, so that examples far apart do not meet; what is left of a
/// window moves into the next. An example longer than the budget is alone. `lengths` is by index.
/// Micro-batches, and the examples in each, follow `order`.
std::vector<MicroBatch> Pack(std::span<const std::size_t> order,
                             std::span<const std::int64_t> lengths, std::int64_t budget);

/// Deals a step's examples out to `parts` micro-batches of at most `capacity` examples so that all
/// have about the same number of tokens: the longest first, each to the micro-batch with the
/// fewest. parts * capacity >= examples.size().
struct BalanceSettings {
  std::int64_t parts = 1;
  std::int64_t capacity = 1;
};
std::vector<MicroBatch> Balance(std::span<const std::size_t> examples,
                                std::span<const std::int64_t> lengths,
                                const BalanceSettings& settings);

}  // namespace lathe::trainer::loop
