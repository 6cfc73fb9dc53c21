#include "worker/trainer/export/model_folder.h"

#include <nlohmann/json.hpp>

#include "common/base/file_io.h"
#include "worker/trainer/export/config_json.h"
#include "worker/trainer/export/gguf_files.h"
#include "worker/trainer/formats/safetensors.h"
#include "worker/trainer/model/weight_plan.h"

namespace lathe::trainer::exporting {
namespace {

namespace fs = std::filesystem;
using formats::TensorInfo;
using Json = nlohmann::ordered_json;

/// What of a model's folder belongs to it beside the weights and config.json.
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

struct Shard {
  std::vector<const model::Placement*> weights;
  std::int64_t bytes = 0;
};

std::vector<Shard> Cut(const std::vector<model::Placement>& weights, std::int64_t limit) {
  std::vector<Shard> shards(1);
  for (const model::Placement& weight : weights) {
    const auto bytes = static_cast<std::int64_t>(weight.destination.nbytes());
    if (!shards.back().weights.empty() && shards.back().bytes + bytes > limit) {
      shards.emplace_back();
    }
    shards.back().weights.push_back(&weight);
    shards.back().bytes += bytes;
  }
  return shards;
}

formats::DType StoredType(at::ScalarType type) {
  if (type == at::kFloat) return formats::DType::kF32;
  return type == at::kHalf ? formats::DType::kF16 : formats::DType::kBF16;
}

Status WriteShard(const Shard& shard, const fs::path& path) {
  std::vector<TensorInfo> tensors;
  std::vector<at::Tensor> alive;  // Copies on the CPU live until the file is written.
  for (const model::Placement* weight : shard.weights) {
    alive.push_back(weight->destination.to(at::kCPU).contiguous());
    const at::Tensor& values = alive.back();
    tensors.push_back({weight->name,
                       StoredType(values.scalar_type()),
                       values.sizes().vec(),
                       {static_cast<const std::byte*>(values.data_ptr()), values.nbytes()}});
  }
  return formats::WriteSafetensors(path, tensors, {{"format", "pt"}});
}

std::string ShardName(std::size_t index, std::size_t count) {
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name;
}

Status WriteWeights(const model::Decoder& decoder, std::int64_t shard_bytes,
                    const fs::path& folder) {
  model::Decoder views = decoder;
  const std::vector<model::Placement> weights = model::PlanWeights(views);
  const std::vector<Shard> shards = Cut(weights, shard_bytes);
  if (shards.size() == 1) return WriteShard(shards[0], folder / "model.safetensors");
  Json index = {{"metadata", {{"total_size", 0}}}, {"weight_map", Json::object()}};
  std::int64_t total = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = ShardName(i, shards.size());
    LATHE_RETURN_IF_ERROR(WriteShard(shards[i], folder / name));
    for (const model::Placement* weight : shards[i].weights) {
      index["weight_map"][weight->name] = name;
    }
    total += shards[i].bytes;
  }
  index["metadata"]["total_size"] = total;
  return WriteFileAtomically(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

/// The source's config.json with the type that is written and without the quantisation that is not.
Status CopyConfig(const fs::path& source, at::ScalarType type, const fs::path& folder) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(source / "config.json"));
  Json config = Json::parse(text, nullptr, false);
  if (!config.is_object()) {
    return Failure(ErrorCode::kInvalidArgument, source.string() + "/config.json is no JSON object");
  }
  config[config.contains("dtype") ? "dtype" : "torch_dtype"] = TypeName(type);
  config.erase("quantization_config");
  return WriteFileAtomically(folder / "config.json", config.dump(2) + "\n");
}

bool IsGguf(const fs::path& source) {
  std::error_code error;
  return !fs::is_directory(source, error);
}

Status CopyCompanions(const fs::path& source, const fs::path& folder) {
  for (const char* name : kCompanions) {
    std::error_code error;
    if (!fs::exists(source / name, error)) continue;
    LATHE_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(source / name));
    LATHE_RETURN_IF_ERROR(WriteFileAtomically(folder / name, bytes));
  }
  return {};
}

}  // namespace

Status CheckModelFolder(const model::Decoder& decoder, const fs::path& source) {
  if (!IsGguf(source)) return {};
  return MakeFilesOfGguf(source, decoder.description, decoder.dtype()).map([](auto&&) {});
}

Status WriteModelFolder(const model::Decoder& decoder, const ModelFolderSettings& settings,
                        const fs::path& folder) {
  LATHE_RETURN_IF_ERROR(WriteWeights(decoder, settings.shard_bytes, folder));
  if (IsGguf(settings.source)) {
    LATHE_ASSIGN_OR_RETURN(const FilesOfGguf files,
                           MakeFilesOfGguf(settings.source, decoder.description, decoder.dtype()));
    for (const auto& [name, content] : files) {
      LATHE_RETURN_IF_ERROR(WriteFileAtomically(folder / name, content));
    }
    return {};
  }
  LATHE_RETURN_IF_ERROR(CopyConfig(settings.source, decoder.dtype(), folder));
  return CopyCompanions(settings.source, folder);
}

}  // namespace lathe::trainer::exporting
