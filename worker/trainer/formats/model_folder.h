#pragma once
// A model's Hugging Face folder: how its weights are divided among files, and what lies beside
// them.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace lathe::trainer::formats {

struct StoredWeight {
  std::string name;
  std::uint64_t bytes = 0;
};

/// The weights [begin, end) are in one file.
struct Shard {
  std::string file;
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// In the given order, each file filled up to `limit` bytes; at least one, and a weight in each.
std::vector<Shard> Divide(const std::vector<StoredWeight>& weights, std::uint64_t limit);

/// Writes model.safetensors.index.json, which a model in a single file does not have.
Status WriteIndex(const std::filesystem::path& folder, const std::vector<StoredWeight>& weights,
                  const std::vector<Shard>& shards);

/// Copies what a model's folder has beside weights and config.json: its tokenizer, its template.
Status CopyCompanions(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace lathe::trainer::formats
