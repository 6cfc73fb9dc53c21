#include <map>

#include "worker/trainer/merge/writers.h"

namespace lathe::trainer::merge {

namespace {

/// What the keys below cannot say of a model.
std::string Missing(const model::ModelDescription& d) {
  for (const model::LayerDescription& layer : d.layer) {
    if (layer.window > 0 && layer.window < d.context) return "a sliding window";
    if (!layer.rope) return "layers without positions";
  }
  const model::RopeScaling& scaling = d.ropes.front().scaling;
  if (std::holds_alternative<std::monostate>(scaling) ||
      std::holds_alternative<model::LinearRopeScaling>(scaling) ||
      std::holds_alternative<model::Llama3RopeScaling>(scaling)) {
    return d.ropes.size() > 1 ? "several kinds of positions" : "";
  }
  return "this stretching of positions";
}

}  // namespace

// Keys as llama.cpp reads them: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
Result<formats::GgufMetadata> FolderMetadata(const std::filesystem::path& folder,
                                             const model::ModelDescription& d) {
  const std::map<std::string, std::string> names = {
      {"llama", "llama"}, {"mistral", "llama"}, {"qwen2", "qwen2"}, {"qwen3", "qwen3"}};
  const auto name = names.find(d.architecture);
  const std::string missing = name == names.end() ? "" : Missing(d);
  if (name == names.end() || !missing.empty()) {
    return Failure(ErrorCode::kInvalidArgument,
                   folder.string() + ": " +
                       (missing.empty() ? "architecture " + d.architecture : missing) +
                       " is not exported to GGUF (llama, mistral, qwen2, qwen3 with plain, linear "
                       "or Llama 3 positions are); merge it into a folder and convert that with "
                       "llama.cpp's own converter");
  }
  const std::string& architecture = name->second;
  const model::RopeDescription& rope = d.ropes.front();
  formats::GgufMetadata metadata;
  const auto integer = [&](const std::string& key, std::int64_t value) {
    metadata.SetInteger(architecture + key, static_cast<std::uint32_t>(value));
  };
  const auto number = [&](const std::string& key, double value) {
    metadata.SetNumber(architecture + key, static_cast<float>(value));
  };
  metadata.SetText("general.architecture", architecture);
  metadata.SetText("general.type", "model");
  metadata.SetText("general.name", std::filesystem::absolute(folder).filename().string());
  integer(".block_count", d.layers);
  integer(".context_length", d.context);
  integer(".embedding_length", d.hidden);
  integer(".feed_forward_length", d.intermediate);
  integer(".attention.head_count", d.heads);
  integer(".attention.head_count_kv", d.kv_heads);
  integer(".attention.key_length", d.head_dim);
  integer(".attention.value_length", d.head_dim);
  integer(".rope.dimension_count", rope.dimensions);
  integer(".vocab_size", d.vocabulary);
  number(".attention.layer_norm_rms_epsilon", d.norm_epsilon);
  number(".rope.freq_base", rope.theta);
  if (const auto* linear = std::get_if<model::LinearRopeScaling>(&rope.scaling)) {
    metadata.SetText(architecture + ".rope.scaling.type", "linear");
    number(".rope.scaling.factor", linear->factor);
  }
  LATHE_RETURN_IF_ERROR(AddTokenizer(folder, d, metadata));
  return metadata;
}

}  // namespace lathe::trainer::merge
