#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "common/base/file_io.h"
#include "worker/trainer/formats/model_folder.h"
#include "worker/trainer/formats/safetensors_stream.h"
#include "worker/trainer/merge/tensor_stream.h"
#include "worker/trainer/merge/writers.h"

namespace lathe::trainer::merge {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;  // Keeps the order of the keys.

/// Wide types come first, which aligns them.
Status WriteShard(const fs::path& path, std::span<const OutputTensor> shard,
                  const adapters::MergedWeights& merged) {
  std::vector<const OutputTensor*> tensors;
  for (const OutputTensor& tensor : shard) tensors.push_back(&tensor);
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto* a, const auto* b) {
    return formats::InfoOf(a->spec.dtype).block_bytes > formats::InfoOf(b->spec.dtype).block_bytes;
  });
  std::vector<formats::TensorSpec> specs;
  for (const OutputTensor* tensor : tensors) specs.push_back(tensor->spec);
  LATHE_ASSIGN_OR_RETURN(auto file,
                         formats::SafetensorsStream::Create(path, specs, {{"format", "pt"}}));
  for (const OutputTensor* tensor : tensors) {
    LATHE_RETURN_IF_ERROR(
        StreamTensor(*tensor, merged, [&](auto bytes) { return file.Write(bytes); }));
  }
  return file.Commit();
}

Status WriteWeights(const fs::path& folder, const std::vector<OutputTensor>& tensors,
                    std::uint64_t shard_bytes, const adapters::MergedWeights& merged) {
  std::vector<formats::StoredWeight> weights;
  for (const OutputTensor& tensor : tensors) {
    weights.push_back(
        {tensor.spec.name, formats::ByteSize(tensor.spec.dtype, tensor.spec.shape).value_or(0)});
  }
  const std::vector<formats::Shard> shards = formats::Divide(weights, shard_bytes);
  for (const formats::Shard& shard : shards) {
    LATHE_RETURN_IF_ERROR(
        WriteShard(folder / shard.file,
                   std::span(tensors).subspan(shard.begin, shard.end - shard.begin), merged));
  }
  return formats::WriteIndex(folder, weights, shards);
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

Status Fill(const fs::path& folder, const MergeOptions& options,
            const std::vector<OutputTensor>& tensors, const model::ModelFile& source,
            const adapters::MergedWeights& merged) {
  const bool unties = tensors.size() > source.tensors().size();
  LATHE_ASSIGN_OR_RETURN(const std::string config, Configuration(options, unties));
  LATHE_RETURN_IF_ERROR(WriteWeights(folder, tensors, options.shard_bytes, merged));
  LATHE_RETURN_IF_ERROR(WriteFileAtomically(folder / "config.json", config));
  return formats::CopyCompanions(options.model, folder);
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
