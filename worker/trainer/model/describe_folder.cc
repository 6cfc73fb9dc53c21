#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "worker/trainer/formats/json_file.h"
#include "worker/trainer/model/config_reader.h"
#include "worker/trainer/model/description.h"
#include "worker/trainer/model/description_check.h"
#include "worker/trainer/model/families.h"

namespace lathe::trainer::model {
namespace {

using Json = nlohmann::json;

void ReadEndTokens(const Json* value, std::vector<std::int64_t>& tokens) {
  if (value == nullptr) return;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const Json& token : list) {
    if (!token.is_number_integer()) continue;
    const auto id = token.get<std::int64_t>();
    if (std::find(tokens.begin(), tokens.end(), id) == tokens.end()) tokens.push_back(id);
  }
}

void ReadSizes(ConfigReader& config, const Family& family, ModelDescription& d) {
  d.vocabulary = config.Integer("vocab_size");
  d.hidden = config.Integer("hidden_size");
  d.layers = config.Integer("num_hidden_layers");
  d.heads = config.Integer("num_attention_heads");
  d.kv_heads = config.Integer("num_key_value_heads", d.heads);
  const std::int64_t even_share = d.heads > 0 ? d.hidden / d.heads : 0;
  d.head_dim = config.Integer("head_dim", family.head_dim > 0 ? family.head_dim : even_share);
  d.intermediate = config.Integer("intermediate_size");
  d.context = config.Integer("max_position_embeddings", 2048);
  d.norm_epsilon = config.Number("rms_norm_eps", 1e-6);
  d.tied_embeddings = config.Flag("tie_word_embeddings", family.tied_embeddings);
}

kernels::Activation ReadActivation(ConfigReader& config, const Family& family) {
  const std::string name = config.Text(family.activation_key, family.activation);
  if (name == "gelu_pytorch_tanh" || name == "gelu_new") return kernels::Activation::kGeluTanh;
  if (name != "silu" && name != "swish") {
    config.Refuse(std::string(family.activation_key) + " \"" + name +
                  "\" is not supported (silu, gelu_pytorch_tanh are)");
  }
  return kernels::Activation::kSilu;
}

Result<ModelDescription> Describe(ConfigReader& config) {
  ModelDescription d;
  d.architecture = config.Text("model_type", "");
  const Family* family = FindFamily(d.architecture);
  if (family == nullptr) {
    config.Refuse("model_type \"" + d.architecture + "\" is not supported (" + FamilyNames() +
                  " are)");
    return Failure(config.status().error());
  }
  ReadSizes(config, *family, d);
  // Dropout within the base model would make its training differ from what is computed here.
  config.RefuseUnlessOff("attention_dropout");
  LATHE_RETURN_IF_ERROR(config.status());
  LATHE_RETURN_IF_ERROR(CheckSizes(d, config.source()));
  LayerDescription layer;
  layer.score_scale = 1.0 / std::sqrt(static_cast<double>(d.head_dim));
  layer.activation = ReadActivation(config, *family);
  d.layer.assign(static_cast<std::size_t>(d.layers), layer);
  family->describe(config, d);
  LATHE_RETURN_IF_ERROR(config.status());
  return d;
}

}  // namespace

Result<ModelDescription> DescribeFolder(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  LATHE_ASSIGN_OR_RETURN(const Json json, formats::ReadJsonObject(path));
  ConfigReader config(json, path.string());
  LATHE_ASSIGN_OR_RETURN(ModelDescription d, Describe(config));
  const std::filesystem::path generation = folder / "generation_config.json";
  if (std::filesystem::exists(generation)) {
    LATHE_ASSIGN_OR_RETURN(const Json other, formats::ReadJsonObject(generation));
    ReadEndTokens(ConfigReader(other, generation.string()).Find("eos_token_id"), d.end_tokens);
  }
  ReadEndTokens(config.Find("eos_token_id"), d.end_tokens);
  LATHE_RETURN_IF_ERROR(CheckDescription(d, path.string()));
  return d;
}

}  // namespace lathe::trainer::model
