#include "worker/trainer/formats/model_folder.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/base/file_io.h"

namespace lathe::trainer::formats {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;  // Keeps the order of the keys.

constexpr const char* kCompanions[] = {"generation_config.json",
                                       "tokenizer.json",
                                       "tokenizer.model",
                                       "tokenizer_config.json",
                                       "added_tokens.json",
                                       "chat_template.jinja",
                                       "chat_template.json",
                                       "special_tokens_map.json",
                                       "vocab.json",
                                       "merges.txt"};

std::string FileName(std::size_t index, std::size_t count) {
  if (count == 1) return "model.safetensors";
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name;
}

}  // namespace

std::vector<Shard> Divide(const std::vector<StoredWeight>& weights, std::uint64_t limit) {
  std::vector<Shard> shards(1);
  std::uint64_t filled = 0;
  for (const StoredWeight& weight : weights) {
    if (shards.back().end > shards.back().begin && filled + weight.bytes > limit) {
      shards.push_back({.file = {}, .begin = shards.back().end, .end = shards.back().end});
      filled = 0;
    }
    ++shards.back().end;
    filled += weight.bytes;
  }
  for (std::size_t i = 0; i < shards.size(); ++i) shards[i].file = FileName(i, shards.size());
  return shards;
}

Status WriteIndex(const fs::path& folder, const std::vector<StoredWeight>& weights,
                  const std::vector<Shard>& shards) {
  if (shards.size() == 1) return {};
  Json index = {{"metadata", {{"total_size", 0}}}, {"weight_map", Json::object()}};
  std::uint64_t total = 0;
  for (const Shard& shard : shards) {
    for (std::size_t i = shard.begin; i < shard.end; ++i) {
      index["weight_map"][weights[i].name] = shard.file;
      total += weights[i].bytes;
    }
  }
  index["metadata"]["total_size"] = total;
  return WriteFileAtomically(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

Status CopyCompanions(const fs::path& from, const fs::path& to) {
  for (const char* name : kCompanions) {
    std::error_code error;
    if (!fs::is_regular_file(from / name, error)) continue;
    LATHE_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(from / name));
    LATHE_RETURN_IF_ERROR(WriteFileAtomically(to / name, bytes));
  }
  return {};
}

}  // namespace lathe::trainer::formats
