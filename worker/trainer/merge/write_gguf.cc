#include <ATen/core/Tensor.h>

#include <span>

#include "worker/trainer/merge/gguf_keys.h"
#include "worker/trainer/merge/tensor_stream.h"
#include "worker/trainer/merge/writers.h"
#include "worker/trainer/model/loader.h"

namespace lathe::trainer::merge {
namespace {

using formats::DType;

/// general.file_type, as llama.cpp numbers them.
std::uint32_t FileType(DType precision) {
  switch (precision) {
    case DType::kF32:
      return 0;
    case DType::kQ8_0:
      return 7;
    case DType::kBF16:
      return 32;
    default:
      return 1;
  }
}

Result<FolderMetadata> MetadataOf(const MergeOptions& options, const model::ModelFile& source,
                                  const model::ModelDescription& description) {
  if (!source.is_gguf()) return MetadataOfFolder(options.model, description);
  LATHE_ASSIGN_OR_RETURN(auto metadata, formats::GgufMetadata::Of(options.model));
  metadata.Remove("general.alignment");  // The writer's is the default one.
  return FolderMetadata{std::move(metadata), {}};
}

}  // namespace

Result<Notes> WriteGguf(const MergeOptions& options, const model::ModelFile& source,
                        const adapters::MergedWeights& merged) {
  LATHE_ASSIGN_OR_RETURN(const auto given, ParsePrecision(options));
  const DType precision = given.value_or(DType::kF16);
  LATHE_ASSIGN_OR_RETURN(const auto description, model::DescribeModel(options.model));
  LATHE_ASSIGN_OR_RETURN(const auto tensors, GgufTensors(source, description, merged, precision));
  LATHE_ASSIGN_OR_RETURN(FolderMetadata made, MetadataOf(options, source, description));
  formats::GgufMetadata& metadata = made.metadata;
  metadata.SetInteger("general.file_type", FileType(precision));
  std::vector<formats::TensorSpec> specs;
  // A GGUF file has them among its tensors.
  const auto ropes = source.is_gguf() ? std::vector<RopeTensor>() : RopeTensors(description);
  for (const RopeTensor& rope : ropes) {
    specs.push_back({rope.name, DType::kF32, {static_cast<std::int64_t>(rope.values.size())}});
  }
  for (const OutputTensor& tensor : tensors) specs.push_back(tensor.spec);
  LATHE_ASSIGN_OR_RETURN(auto file, formats::GgufWriter::Create(options.output, metadata, specs));
  for (const RopeTensor& rope : ropes) {
    LATHE_RETURN_IF_ERROR(file.Write(std::as_bytes(std::span(rope.values))));
    LATHE_RETURN_IF_ERROR(file.EndTensor());
  }
  for (const OutputTensor& tensor : tensors) {
    LATHE_RETURN_IF_ERROR(
        StreamTensor(tensor, merged, [&](auto bytes) { return file.Write(bytes); }));
    LATHE_RETURN_IF_ERROR(file.EndTensor());
  }
  LATHE_RETURN_IF_ERROR(file.Commit());
  return std::move(made.notes);
}

}  // namespace lathe::trainer::merge
