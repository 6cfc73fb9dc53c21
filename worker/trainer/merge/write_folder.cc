#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/base/file_io.h"
#include "worker/trainer/formats/safetensors_stream.h"
#include "worker/trainer/merge/tensor_stream.h"
#include "worker/trainer/merge/writers.h"

namespace lathe::trainer::merge {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;  // Keeps the order of the keys.

/// Beside the weights and config.json, whatever of these there is.
constexpr const char* kCopied[] = {"generation_config.json",
                                   "tokenizer.json",
                                   "tokenizer_config.json",
                                   "tokenizer.model",
                                   "special_tokens_map.json",
                                   "added_tokens.json",
                                   "vocab.json",
                                   "merges.txt",
                                   "chat_template.jinja"};

using Shard = std::vector<const OutputTensor*>;

std::uint64_t BytesOf(const OutputTensor& tensor) {
  return formats::ByteSize(tensor.spec.dtype, tensor.spec.shape).value_or(0);
}

/// In the given order, each shard filled up; within one, wide types first, which aligns them.
std::vector<Shard> Divide(const std::vector<OutputTensor>& tensors, std::uint64_t shard_bytes) {
  std::vector<Shard> shards(1);
  std::uint64_t filled = 0;
  for (const OutputTensor& tensor : tensors) {
    const std::uint64_t size = BytesOf(tensor);
    if (!shards.back().empty() && filled + size > shard_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(&tensor);
    filled += size;
  }
  for (Shard& shard : shards) {
    std::stable_sort(shard.begin(), shard.end(), [](const auto* a, const auto* b) {
      return formats::InfoOf(a->spec.dtype).block_bytes >
             formats::InfoOf(b->spec.dtype).block_bytes;
    });
  }
  return shards;
}

std::string ShardName(std::size_t index, std::size_t count) {
  if (count == 1) return "model.safetensors";
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name;
}

Status WriteShard(const fs::path& path, const Shard& shard, const adapters::MergedWeights& merged) {
  std::vector<formats::TensorSpec> specs;
  for (const OutputTensor* tensor : shard) specs.push_back(tensor->spec);
  LATHE_ASSIGN_OR_RETURN(auto file,
                         formats::SafetensorsStream::Create(path, specs, {{"format", "pt"}}));
  for (const OutputTensor* tensor : shard) {
    LATHE_RETURN_IF_ERROR(
        StreamTensor(*tensor, merged, [&](auto bytes) { return file.Write(bytes); }));
  }
  return file.Commit();
}

Status WriteWeights(const fs::path& folder, const std::vector<Shard>& shards,
                    const adapters::MergedWeights& merged) {
  Json index = {{"metadata", {{"total_size", 0}}}, {"weight_map", Json::object()}};
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = ShardName(i, shards.size());
    LATHE_RETURN_IF_ERROR(WriteShard(folder / name, shards[i], merged));
    for (const OutputTensor* tensor : shards[i]) {
      index["weight_map"][tensor->spec.name] = name;
      total += BytesOf(*tensor);
    }
  }
  if (shards.size() == 1) return {};
  index["metadata"]["total_size"] = total;
  return WriteFileAtomically(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

/// The model's own, with the new type of the weights, and the head no longer tied if it is not.
Result<std::string> Configuration(const MergeOptions& options, bool unties) {
  const fs::path path = options.model / "config.json";
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  Json config = Json::parse(text, nullptr, false);
  if (!config.is_object()) {
    return Failure(ErrorCode::kInvalidArgument, path.string() + ": not a JSON object");
  }
  const std::map<std::string, std::string> names = {
      {"fp32", "float32"}, {"bf16", "bfloat16"}, {"fp16", "float16"}};
  if (const auto name = names.find(options.precision); name != names.end()) {
    config[config.contains("dtype") ? "dtype" : "torch_dtype"] = name->second;
  }
  if (unties) config["tie_word_embeddings"] = false;
  return config.dump(2) + "\n";
}

Status CopyOthers(const fs::path& from, const fs::path& to) {
  for (const char* name : kCopied) {
    std::error_code error;
    if (!fs::is_regular_file(from / name, error)) continue;
    LATHE_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(from / name));
    LATHE_RETURN_IF_ERROR(WriteFileAtomically(to / name, bytes));
  }
  return {};
}

Status Fill(const fs::path& folder, const MergeOptions& options,
            const std::vector<OutputTensor>& tensors, const model::ModelFile& source,
            const adapters::MergedWeights& merged) {
  const bool unties = tensors.size() > source.tensors().size();
  LATHE_ASSIGN_OR_RETURN(const std::string config, Configuration(options, unties));
  LATHE_RETURN_IF_ERROR(WriteWeights(folder, Divide(tensors, options.shard_bytes), merged));
  LATHE_RETURN_IF_ERROR(WriteFileAtomically(folder / "config.json", config));
  return CopyOthers(options.model, folder);
}

}  // namespace

Status WriteFolder(const MergeOptions& options, const model::ModelFile& source,
                   const adapters::MergedWeights& merged) {
  if (source.is_gguf()) {
    return Failure(ErrorCode::kInvalidArgument,
                   source.name +
                       " is a GGUF file, which has no config.json and tokenizer files to "
                       "go with a folder; merge it into a GGUF file");
  }
  LATHE_ASSIGN_OR_RETURN(const auto precision, ParsePrecision(options));
  LATHE_ASSIGN_OR_RETURN(const auto tensors, FolderTensors(source, merged, precision));
  const fs::path temporary = options.output.string() + ".tmp-" + std::to_string(::getpid());
  std::error_code error;
  if (!fs::create_directory(temporary, error)) {
    return Failure(FileError("create", temporary, error ? error.value() : EEXIST));
  }
  Status written = Fill(temporary, options, tensors, source, merged);
  if (written) {
    fs::rename(temporary, options.output, error);
    if (error) written = Failure(FileError("rename", temporary, error.value()));
  }
  if (!written) {
    fs::remove_all(temporary, error);
    return written;
  }
  const fs::path parent = options.output.parent_path();
  return SyncFolder(parent.empty() ? fs::path(".") : parent);
}

}  // namespace lathe::trainer::merge
