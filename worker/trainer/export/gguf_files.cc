#include "worker/trainer/export/gguf_files.h"

#include <nlohmann/json.hpp>

#include "worker/trainer/export/config_json.h"
#include "worker/trainer/formats/gguf.h"
#include "worker/trainer/tokenizer/gguf_to_json.h"

namespace lathe::trainer::exporting {
namespace {

using formats::Gguf;
using Json = nlohmann::ordered_json;

Json IdOrNull(const Gguf& gguf, const char* key) {
  const auto* id = gguf.FindAs<std::int64_t>(key);
  return id == nullptr ? Json() : Json(*id);
}

Json EndTokens(const model::ModelDescription& d) {
  if (d.end_tokens.empty()) return {};
  return d.end_tokens.size() == 1 ? Json(d.end_tokens[0]) : Json(d.end_tokens);
}

}  // namespace

Result<FilesOfGguf> MakeFilesOfGguf(const std::filesystem::path& path,
                                    const model::ModelDescription& d, c10::ScalarType type) {
  LATHE_ASSIGN_OR_RETURN(const Gguf gguf, Gguf::Open(path));
  const Json generation = {{"bos_token_id", IdOrNull(gguf, "tokenizer.ggml.bos_token_id")},
                           {"eos_token_id", EndTokens(d)},
                           {"pad_token_id", IdOrNull(gguf, "tokenizer.ggml.padding_token_id")}};
  auto config = ConfigJson(d, type);
  if (!config) {
    return Failure(config.error().WithContext(path.string() +
                                              " (use the model's Hugging Face folder instead)"));
  }
  config->update(generation);
  FilesOfGguf files = {{"config.json", config->dump(2) + "\n"},
                       {"generation_config.json", generation.dump(2) + "\n"}};
  const auto* kind = gguf.FindAs<std::string_view>("tokenizer.ggml.model");
  if (kind == nullptr || *kind == "no_vocab") return files;  // Trained on token ids.
  LATHE_ASSIGN_OR_RETURN(const auto tokenizer, tokenizer::TokenizerFilesOf(gguf));
  files["tokenizer.json"] = tokenizer.tokenizer;
  files["tokenizer_config.json"] = tokenizer.config;
  return files;
}

}  // namespace lathe::trainer::exporting
