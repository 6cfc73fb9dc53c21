#include "worker/trainer/loop/packing.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace lathe::trainer::loop {
namespace {

/// Tokens of a window, in budgets: enough to fill micro-batches to a few percent, few enough that
/// an epoch stays shuffled.
constexpr std::int64_t kWindowBudgets = 32;

/// Positions in the order, and what they hold together.
struct Bin {
  std::vector<std::size_t> positions;
  std::int64_t tokens = 0;
};

class Packer {
 public:
  Packer(std::span<const std::size_t> order, std::span<const std::int64_t> lengths,
         std::int64_t budget)
      : order_(order), lengths_(lengths), budget_(budget) {}

  std::vector<MicroBatch> Run() {
    std::size_t next = 0;
    std::vector<std::size_t> window;
    while (next < order_.size() || !window.empty()) {
      std::int64_t tokens = 0;
      for (const std::size_t position : window) tokens += Length(position);
      for (; next < order_.size() && tokens < kWindowBudgets * budget_; ++next) {
        window.push_back(next);
        tokens += Length(next);
      }
      window = PackWindow(std::move(window), next == order_.size());
    }
    return std::move(done_);
  }

 private:
  std::int64_t Length(std::size_t position) const { return lengths_[order_[position]]; }

  /// Returns the positions that are to be packed with the next window.
  std::vector<std::size_t> PackWindow(std::vector<std::size_t> window, bool last) {
    std::vector<Bin> bins = BestFit(std::move(window));
    std::vector<std::size_t> rest;
    if (!last && bins.size() > 1) {
      const auto emptiest = std::min_element(
          bins.begin(), bins.end(), [](const Bin& a, const Bin& b) { return a.tokens < b.tokens; });
      rest = std::move(emptiest->positions);
      bins.erase(emptiest);
      std::sort(rest.begin(), rest.end());
    }
    for (Bin& bin : bins) std::sort(bin.positions.begin(), bin.positions.end());
    std::sort(bins.begin(), bins.end(),
              [](const Bin& a, const Bin& b) { return a.positions < b.positions; });
    for (const Bin& bin : bins) {
      MicroBatch& batch = done_.emplace_back();
      for (const std::size_t position : bin.positions) batch.push_back(order_[position]);
    }
    return rest;
  }

  std::vector<Bin> BestFit(std::vector<std::size_t> window) const {
    std::stable_sort(window.begin(), window.end(),
                     [&](std::size_t a, std::size_t b) { return Length(a) > Length(b); });
    std::vector<Bin> bins;
    std::multimap<std::int64_t, std::size_t> free;  // Free tokens -> bin; equal ones in order.
    for (const std::size_t position : window) {
      const std::int64_t length = Length(position);
      const auto fits = free.lower_bound(length);
      const std::size_t bin = fits == free.end() ? bins.size() : fits->second;
      if (fits == free.end()) {
        bins.emplace_back();
      } else {
        free.erase(fits);
      }
      bins[bin].positions.push_back(position);
      bins[bin].tokens += length;
      free.emplace(budget_ - bins[bin].tokens, bin);
    }
    return bins;
  }

  std::span<const std::size_t> order_;
  std::span<const std::int64_t> lengths_;
  std::int64_t budget_;
  std::vector<MicroBatch> done_;
};

}  // namespace

std::vector<MicroBatch> Pack(std::span<const std::size_t> order,
                             std::span<const std::int64_t> lengths, std::int64_t budget) {
  return Packer(order, lengths, budget).Run();
}

std::vector<MicroBatch> Balance(std::span<const std::size_t> examples,
                                std::span<const std::int64_t> lengths,
                                const BalanceSettings& settings) {
  std::vector<std::size_t> by_length(examples.size());
  std::iota(by_length.begin(), by_length.end(), std::size_t{0});
  std::stable_sort(by_length.begin(), by_length.end(), [&](std::size_t a, std::size_t b) {
    return lengths[examples[a]] > lengths[examples[b]];
  });
  std::vector<Bin> bins(static_cast<std::size_t>(settings.parts));
  for (const std::size_t position : by_length) {
    Bin* least = nullptr;
    for (Bin& bin : bins) {
      if (bin.positions.size() == static_cast<std::size_t>(settings.capacity)) continue;
      if (least == nullptr || bin.tokens < least->tokens) least = &bin;
    }
    least->positions.push_back(position);
    least->tokens += lengths[examples[position]];
  }
  std::vector<MicroBatch> batches;
  for (Bin& bin : bins) {
    std::sort(bin.positions.begin(), bin.positions.end());
    MicroBatch& batch = batches.emplace_back();
    for (const std::size_t position : bin.positions) batch.push_back(examples[position]);
  }
  return batches;
}

}  // namespace lathe::trainer::loop
