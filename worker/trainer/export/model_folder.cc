#include "worker/trainer/export/model_folder.h"

#include <nlohmann/json.hpp>
#include <span>

#include "common/base/file_io.h"
#include "worker/trainer/export/config_json.h"
#include "worker/trainer/export/gguf_files.h"
#include "worker/trainer/formats/model_folder.h"
#include "worker/trainer/formats/safetensors.h"
#include "worker/trainer/model/weight_plan.h"

namespace lathe::trainer::exporting {
namespace {

namespace fs = std::filesystem;
using formats::TensorInfo;
using Json = nlohmann::ordered_json;

formats::DType StoredType(at::ScalarType type) {
  if (type == at::kFloat) return formats::DType::kF32;
  return type == at::kHalf ? formats::DType::kF16 : formats::DType::kBF16;
}

Status WriteShard(std::span<const model::Placement> weights, const fs::path& path) {
  std::vector<TensorInfo> tensors;
  std::vector<at::Tensor> alive;  // Copies on the CPU live until the file is written.
  for (const model::Placement& weight : weights) {
    alive.push_back(weight.destination.to(at::kCPU).contiguous());
    const at::Tensor& values = alive.back();
    tensors.push_back({weight.name,
                       StoredType(values.scalar_type()),
                       values.sizes().vec(),
                       {static_cast<const std::byte*>(values.data_ptr()), values.nbytes()}});
  }
  return formats::WriteSafetensors(path, tensors, {{"format", "pt"}});
}

Status WriteWeights(const model::Decoder& decoder, std::int64_t shard_bytes,
                    const fs::path& folder) {
  model::Decoder views = decoder;
  const std::vector<model::Placement> placements = model::PlanWeights(views);
  std::vector<formats::StoredWeight> weights;
  for (const model::Placement& placement : placements) {
    weights.push_back({placement.name, placement.destination.nbytes()});
  }
  const auto shards = formats::Divide(weights, static_cast<std::uint64_t>(shard_bytes));
  for (const formats::Shard& shard : shards) {
    LATHE_RETURN_IF_ERROR(WriteShard(
        std::span(placements).subspan(shard.begin, shard.end - shard.begin), folder / shard.file));
  }
  return formats::WriteIndex(folder, weights, shards);
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
  return formats::CopyCompanions(settings.source, folder);
}

}  // namespace lathe::trainer::exporting
