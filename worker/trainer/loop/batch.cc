#include "worker/trainer/loop/batch.h"

#include "worker/trainer/device/transfer.h"

namespace lathe::trainer::loop {

Batch MakeBatch(const std::vector<Example>& examples, std::span<const std::size_t> indices,
                const at::Device& device) {
  std::vector<std::int64_t> tokens;
  std::vector<std::int64_t> positions;
  std::vector<std::int64_t> rows;
  std::vector<std::int64_t> labels;
  Batch batch;
  for (const std::size_t index : indices) {
    const Example& example = examples[index];
    const auto first = static_cast<std::int64_t>(tokens.size());
    const std::size_t targets_before = rows.size();
    const auto length = static_cast<std::int64_t>(example.tokens.size());
    tokens.insert(tokens.end(), example.tokens.begin(), example.tokens.end());
    for (std::int64_t t = 0; t < length; ++t) {
      positions.push_back(t);
      if (t == 0 || example.labels[static_cast<std::size_t>(t)] == data::kIgnoredLabel) continue;
      rows.push_back(first + t - 1);
      labels.push_back(example.labels[static_cast<std::size_t>(t)]);
    }
    batch.inputs.lengths.push_back(length);
    batch.targets.per_sequence.push_back(static_cast<std::int64_t>(rows.size() - targets_before));
    batch.reference.push_back(example.reference);
  }
  batch.inputs.tokens = device::Upload(tokens, device);
  batch.inputs.positions = device::Upload(positions, device);
  batch.targets.rows = device::Upload(rows, device);
  batch.targets.labels = device::Upload(labels, device);
  return batch;
}

}  // namespace lathe::trainer::loop
