#include <ATen/core/Tensor.h>

#include <cmath>

#include "worker/trainer/merge/tensor_stream.h"
#include "worker/trainer/merge/writers.h"
#include "worker/trainer/model/loader.h"
#include "worker/trainer/model/rope.h"

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

Result<formats::GgufMetadata> MetadataOf(const MergeOptions& options,
                                         const model::ModelFile& source,
                                         const model::ModelDescription& description) {
  if (!source.is_gguf()) return FolderMetadata(options.model, description);
  LATHE_ASSIGN_OR_RETURN(auto metadata, formats::GgufMetadata::Of(options.model));
  metadata.Remove("general.alignment");  // The writer's is the default one.
  return metadata;
}

/// Llama 3's stretching lives in a tensor of divisors.
std::vector<float> RopeDivisors(const model::ModelDescription& description) {
  std::vector<float> divisors;
  const model::RopeDescription& rope = description.ropes.front();
  if (!std::holds_alternative<model::Llama3RopeScaling>(rope.scaling)) return divisors;
  const std::vector<float> frequencies = model::RopeFrequencies(rope, description.context);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(rope.dimensions);
    const double plain = std::pow(rope.theta, -exponent);
    divisors.push_back(static_cast<float>(plain / static_cast<double>(frequencies[i])));
  }
  return divisors;
}

}  // namespace

Status WriteGguf(const MergeOptions& options, const model::ModelFile& source,
                 const adapters::MergedWeights& merged) {
  LATHE_ASSIGN_OR_RETURN(const auto given, ParsePrecision(options));
  const DType precision = given.value_or(DType::kF16);
  LATHE_ASSIGN_OR_RETURN(const auto description, model::DescribeModel(options.model));
  LATHE_ASSIGN_OR_RETURN(const auto tensors, GgufTensors(source, description, merged, precision));
  LATHE_ASSIGN_OR_RETURN(auto metadata, MetadataOf(options, source, description));
  metadata.SetInteger("general.file_type", FileType(precision));
  std::vector<formats::TensorSpec> specs;
  const std::vector<float> divisors =
      source.is_gguf() ? std::vector<float>() : RopeDivisors(description);
  if (!divisors.empty()) {
    specs.push_back(
        {"rope_freqs.weight", DType::kF32, {static_cast<std::int64_t>(divisors.size())}});
  }
  for (const OutputTensor& tensor : tensors) specs.push_back(tensor.spec);
  LATHE_ASSIGN_OR_RETURN(auto file, formats::GgufWriter::Create(options.output, metadata, specs));
  if (!divisors.empty()) {
    LATHE_RETURN_IF_ERROR(file.Write(std::as_bytes(std::span(divisors))));
    LATHE_RETURN_IF_ERROR(file.EndTensor());
  }
  for (const OutputTensor& tensor : tensors) {
    LATHE_RETURN_IF_ERROR(
        StreamTensor(tensor, merged, [&](auto bytes) { return file.Write(bytes); }));
    LATHE_RETURN_IF_ERROR(file.EndTensor());
  }
  return file.Commit();
}

}  // namespace lathe::trainer::merge
