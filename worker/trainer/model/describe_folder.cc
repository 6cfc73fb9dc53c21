#include <nlohmann/json.hpp>

#include "common/base/file_io.h"
#include "worker/trainer/model/description.h"
#include "worker/trainer/model/description_check.h"

namespace lathe::trainer::model {
namespace {

using Json = nlohmann::json;

/// Reads keys of one JSON object and remembers the first thing that is wrong.
class Reader {
 public:
  Reader(const Json& object, std::string source) : object_(object), source_(std::move(source)) {}

  const Json* Find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  std::int64_t Integer(const char* key, std::optional<std::int64_t> fallback = {}) {
    const Json* value = Find(key);
    if (value == nullptr && fallback) return *fallback;
    if (value != nullptr && value->is_number_integer()) return value->get<std::int64_t>();
    return Fail<std::int64_t>(key, "an integer", value);
  }
  double Number(const char* key, std::optional<double> fallback = {}) {
    const Json* value = Find(key);
    if (value == nullptr && fallback) return *fallback;
    if (value != nullptr && value->is_number()) return value->get<double>();
    return Fail<double>(key, "a number", value);
  }
  bool Flag(const char* key, bool fallback) {
    const Json* value = Find(key);
    if (value == nullptr) return fallback;
    return value->is_boolean() ? value->get<bool>() : Fail<bool>(key, "true or false", value);
  }
  std::string Text(const char* key, const std::string& fallback) {
    const Json* value = Find(key);
    if (value == nullptr) return fallback;
    return value->is_string() ? value->get<std::string>() : Fail<std::string>(key, "text", value);
  }
  void Refuse(const std::string& message) {
    if (status_) status_ = Failure(ErrorCode::kInvalidArgument, source_ + ": " + message);
  }
  Status status() const { return status_; }

 private:
  template <class T>
  T Fail(const std::string& key, const std::string& expected, const Json* given) {
    Refuse(given == nullptr ? "key \"" + key + "\" is missing"
                            : "key \"" + key + "\" is " + given->dump() + ", expected " + expected);
    return T{};
  }

  const Json& object_;
  std::string source_;
  Status status_;
};

Result<Json> ReadJsonObject(const std::filesystem::path& path) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) {
    return Failure(ErrorCode::kInvalidArgument, path.string() + ": not a JSON object");
  }
  return json;
}

/// `scaling` is rope_scaling of the older spelling or rope_parameters of the newer one.
void ReadRopeScaling(const Json& scaling, const std::string& source, Reader& config,
                     RopeDescription& rope) {
  if (!scaling.is_object()) return config.Refuse("rope scaling is not an object");
  Reader reader(scaling, source + ": rope scaling");
  rope.theta = reader.Number("rope_theta", rope.theta);
  const std::string type = reader.Text("rope_type", reader.Text("type", "default"));
  if (type == "linear") {
    rope.linear_factor = reader.Number("factor");
  } else if (type == "llama3") {
    rope.llama3 =
        Llama3RopeScaling{.factor = reader.Number("factor"),
                          .low_frequency_factor = reader.Number("low_freq_factor"),
                          .high_frequency_factor = reader.Number("high_freq_factor"),
                          .original_context = reader.Number("original_max_position_embeddings")};
  } else if (type != "default") {
    config.Refuse("rope type \"" + type + "\" is not supported (default, linear, llama3 are)");
  }
  if (const Status status = reader.status(); !status) config.Refuse(status.error().message);
}

void ReadEndTokens(const Json* value, std::vector<std::int64_t>& tokens) {
  if (value == nullptr) return;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const Json& token : list) {
    if (!token.is_number_integer()) continue;
    const auto id = token.get<std::int64_t>();
    if (std::find(tokens.begin(), tokens.end(), id) == tokens.end()) tokens.push_back(id);
  }
}

void RefuseUnsupported(Reader& reader, const std::string& type) {
  if (type != "llama" && type != "mistral" && type != "qwen2") {
    reader.Refuse("model_type \"" + type + "\" is not supported (llama, mistral, qwen2 are)");
  }
  if (const std::string act = reader.Text("hidden_act", "silu"); act != "silu") {
    reader.Refuse("hidden_act \"" + act + "\" is not supported (silu is)");
  }
  if (reader.Flag("mlp_bias", false)) reader.Refuse("mlp_bias true is not supported");
  if (type != "qwen2" && reader.Flag("attention_bias", false)) {
    reader.Refuse("attention_bias true is not supported for model_type " + type);
  }
  const bool window_off = type == "qwen2" && !reader.Flag("use_sliding_window", false);
  if (type != "llama" && !window_off && reader.Find("sliding_window") != nullptr) {
    reader.Refuse("sliding-window attention is not supported");
  }
}

}  // namespace

Result<ModelDescription> DescribeFolder(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  LATHE_ASSIGN_OR_RETURN(const Json json, ReadJsonObject(path));
  Reader reader(json, path.string());
  ModelDescription d;
  d.architecture = reader.Text("model_type", "");
  RefuseUnsupported(reader, d.architecture);
  d.vocabulary = reader.Integer("vocab_size");
  d.hidden = reader.Integer("hidden_size");
  d.layers = reader.Integer("num_hidden_layers");
  d.heads = reader.Integer("num_attention_heads");
  d.kv_heads = reader.Integer("num_key_value_heads", d.heads);
  d.head_dim = reader.Integer("head_dim", d.heads > 0 ? d.hidden / d.heads : 0);
  d.intermediate = reader.Integer("intermediate_size");
  d.context = reader.Integer("max_position_embeddings", 2048);
  d.rms_epsilon = reader.Number("rms_norm_eps", 1e-6);
  d.tied_embeddings = reader.Flag("tie_word_embeddings", false);
  d.qkv_bias = d.architecture == "qwen2";
  d.rope.theta = reader.Number("rope_theta", 10000.0);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (const Json* scaling = reader.Find(key)) {
      ReadRopeScaling(*scaling, path.string(), reader, d.rope);
    }
  }
  LATHE_RETURN_IF_ERROR(reader.status());
  const std::filesystem::path generation = folder / "generation_config.json";
  if (std::filesystem::exists(generation)) {
    LATHE_ASSIGN_OR_RETURN(const Json other, ReadJsonObject(generation));
    ReadEndTokens(Reader(other, generation.string()).Find("eos_token_id"), d.end_tokens);
  }
  ReadEndTokens(reader.Find("eos_token_id"), d.end_tokens);
  LATHE_RETURN_IF_ERROR(CheckDescription(d, path.string()));
  return d;
}

}  // namespace lathe::trainer::model
