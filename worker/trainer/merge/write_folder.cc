#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "common/base/file_io.h"
#include "worker/trainer/export/gguf_files.h"
#include "worker/trainer/formats/json_file.h"
#include "worker/trainer/formats/model_folder.h"
#include "worker/trainer/formats/safetensors_stream.h"
#include "worker/trainer/merge/tensor_stream.h"
#include "worker/trainer/merge/writers.h"
#include "worker/trainer/model/loader.h"

namespace lathe::trainer::merge {
namespace {

namespace fs = std::filesystem;
using formats::DType;
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
  LATHE_ASSIGN_OR_RETURN(Json config, formats::ReadJsonObject(path));
  const std::map<std::string, std::string> names = {
      {"fp32", "float32"}, {"bf16", "bfloat16"}, {"fp16", "float16"}};
  if (const auto name = names.find(options.precision); name != names.end()) {
    config[config.contains("dtype") ? "dtype" : "torch_dtype"] = name->second;
  }
  if (unties) config["tie_word_embeddings"] = false;
  return config.dump(2) + "\n";
}

/// What a folder is made of.
struct Contents {
  std::vector<OutputTensor> tensors;
  std::map<std::string, std::string> files;  ///< beside the weights, by name
  std::optional<fs::path> companions_of;     ///< whose others are copied
};

Result<Contents> OfFolder(const MergeOptions& options, const model::ModelFile& source,
                          const adapters::MergedWeights& merged) {
  Contents contents;
  LATHE_ASSIGN_OR_RETURN(const auto precision, ParsePrecision(options));
  LATHE_ASSIGN_OR_RETURN(contents.tensors, FolderTensors(source, merged, precision));
  const bool unties = contents.tensors.size() > source.tensors().size();
  LATHE_ASSIGN_OR_RETURN(contents.files["config.json"], Configuration(options, unties));
  contents.companions_of = options.model;
  return contents;
}

/// The type of a file's matrices, where a folder can have it, else fp16, which holds most of what
/// quantised weights stand for.
DType TypeOfGguf(const model::ModelFile& source) {
  const formats::TensorInfo* matrix = source.Find("blk.0.ffn_down.weight");
  const bool kept =
      matrix != nullptr && (matrix->dtype == DType::kF32 || matrix->dtype == DType::kBF16);
  return kept ? matrix->dtype : DType::kF16;
}

at::ScalarType TensorType(DType type) {
  if (type == DType::kF32) return at::kFloat;
  return type == DType::kBF16 ? at::kBFloat16 : at::kHalf;
}

Result<Contents> OfGguf(const MergeOptions& options, const model::ModelFile& source,
                        const adapters::MergedWeights& merged) {
  Contents contents;
  LATHE_ASSIGN_OR_RETURN(const auto given, ParsePrecision(options));
  const DType type = given.value_or(TypeOfGguf(source));
  LATHE_ASSIGN_OR_RETURN(model::ModelDescription description, model::DescribeModel(options.model));
  LATHE_ASSIGN_OR_RETURN(contents.tensors, FolderTensorsOfGguf(source, description, merged, type));
  for (const OutputTensor& tensor : contents.tensors) {
    if (tensor.spec.name == "lm_head.weight") description.tied_embeddings = false;
  }
  LATHE_ASSIGN_OR_RETURN(contents.files,
                         exporting::MakeFilesOfGguf(options.model, description, TensorType(type)));
  return contents;
}

Status Fill(const fs::path& folder, const MergeOptions& options, const Contents& contents,
            const adapters::MergedWeights& merged) {
  LATHE_RETURN_IF_ERROR(WriteWeights(folder, contents.tensors, options.shard_bytes, merged));
  for (const auto& [name, text] : contents.files) {
    LATHE_RETURN_IF_ERROR(WriteFileAtomically(folder / name, text));
  }
  return contents.companions_of ? formats::CopyCompanions(*contents.companions_of, folder)
                                : Status();
}

}  // namespace

Status WriteFolder(const MergeOptions& options, const model::ModelFile& source,
                   const adapters::MergedWeights& merged) {
  LATHE_ASSIGN_OR_RETURN(const Contents contents, source.is_gguf()
                                                      ? OfGguf(options, source, merged)
                                                      : OfFolder(options, source, merged));
  const fs::path temporary = options.output.string() + ".tmp-" + std::to_string(::getpid());
  std::error_code error;
  if (!fs::create_directory(temporary, error)) {
    return Failure(FileError("create", temporary, error ? error.value() : EEXIST));
  }
  Status written = Fill(temporary, options, contents, merged);
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
