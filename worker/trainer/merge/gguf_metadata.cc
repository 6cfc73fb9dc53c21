#include <algorithm>
#include <cmath>

#include "worker/trainer/merge/gguf_keys.h"
#include "worker/trainer/merge/writers.h"

namespace lathe::trainer::merge {
namespace {

using model::LayerDescription;
using model::ModelDescription;

/// How a family is spelled in GGUF. `add` writes what is its own and returns what it cannot say of
/// the model, in a few words; empty: it says all.
struct Spelling {
  const char* family;        ///< as config.json names it
  const char* architecture;  ///< as llama.cpp does
  std::string (*add)(const ModelDescription& d, GgufKeys& keys);
};

bool HasWindow(const ModelDescription& d, const LayerDescription& layer) {
  return layer.window > 0 && layer.window < d.context;
}

/// Whether every period-th layer, and no other, is `last`, and all others have one window.
bool WindowsHavePeriod(const ModelDescription& d, std::size_t period) {
  for (std::size_t i = 0; i < d.layer.size(); ++i) {
    const std::int64_t expected = (i + 1) % period == 0 ? 0 : d.layer.front().window;
    if (d.layer[i].window != expected) return false;
  }
  return true;
}

std::string Plain(const ModelDescription& d, GgufKeys&) {
  for (const LayerDescription& layer : d.layer) {
    if (HasWindow(d, layer)) return "a sliding window";
    if (!layer.rope) return "layers without positions";
  }
  return "";
}

std::string Phi3(const ModelDescription& d, GgufKeys& keys) {
  if (d.layer.front().window > 0) {
    keys.Integer(".attention.sliding_window", d.layer.front().window);
  }
  return "";
}

/// llama.cpp takes every fourth layer to know no positions.
std::string SmolLm3(const ModelDescription& d, GgufKeys&) {
  for (std::size_t i = 0; i < d.layer.size(); ++i) {
    if (HasWindow(d, d.layer[i])) return "a sliding window";
    if (d.layer[i].rope.has_value() == ((i + 1) % 4 == 0)) {
      return "positions in other layers than three of four";
    }
  }
  return "";
}

/// llama.cpp knows the scale of the scores by the size of the model: the hidden size a head in
/// models of `large` layers, else the head's size.
std::string Gemma(const ModelDescription& d, GgufKeys& keys, std::int64_t large) {
  const double per_head = static_cast<double>(d.hidden) / static_cast<double>(d.heads);
  const double scalar = d.layers == large ? per_head : static_cast<double>(d.head_dim);
  const double scale = d.layer.front().score_scale;
  if (std::abs(scale * scale * scalar - 1) > 1e-6) return "this query_pre_attn_scalar";
  keys.Integer(".attention.sliding_window", d.layer.front().window);
  if (d.logit_cap > 0) keys.Number(".final_logit_softcapping", d.logit_cap);
  return "";
}

std::string Gemma2(const ModelDescription& d, GgufKeys& keys) {
  if (!WindowsHavePeriod(d, 2)) return "windows in other layers than every second";
  keys.Number(".attn_logit_softcapping", d.layer.front().score_cap);
  return Gemma(d, keys, 46);
}

std::string Gemma3(const ModelDescription& d, GgufKeys& keys) {
  std::size_t period = 2;
  while (period <= d.layer.size() && !WindowsHavePeriod(d, period)) ++period;
  if (period > d.layer.size()) return "windows without a period";
  const model::RopeDescription& local = d.ropes.back();
  if (!std::holds_alternative<std::monostate>(local.scaling)) return "two stretched positions";
  keys.Integer(".attention.sliding_window_pattern", static_cast<std::int64_t>(period));
  keys.Number(".rope.freq_base_swa", local.theta);
  return Gemma(d, keys, 62);
}

constexpr Spelling kSpellings[] = {
    {"llama", "llama", Plain}, {"mistral", "llama", Plain},     {"qwen2", "qwen2", Plain},
    {"qwen3", "qwen3", Plain}, {"gemma2", "gemma2", Gemma2},    {"gemma3_text", "gemma3", Gemma3},
    {"phi3", "phi3", Phi3},    {"smollm3", "smollm3", SmolLm3},
};

Error NotExported(const std::filesystem::path& folder, const std::string& what) {
  std::string names;
  for (const Spelling& spelling : kSpellings) {
    names += (names.empty() ? "" : ", ") + std::string(spelling.family);
  }
  return {ErrorCode::kInvalidArgument,
          folder.string() + ": " + what + " is not exported to GGUF (what llama.cpp computes of " +
              names +
              " is); merge it into a folder and convert that with llama.cpp's own converter",
          {}};
}

void AddSizes(const ModelDescription& d, GgufKeys& keys) {
  keys.Integer(".block_count", d.layers);
  keys.Integer(".context_length", d.context);
  keys.Integer(".embedding_length", d.hidden);
  keys.Integer(".feed_forward_length", d.intermediate);
  keys.Integer(".attention.head_count", d.heads);
  keys.Integer(".attention.head_count_kv", d.kv_heads);
  keys.Integer(".attention.key_length", d.head_dim);
  keys.Integer(".attention.value_length", d.head_dim);
  keys.Integer(".vocab_size", d.vocabulary);
  keys.Number(".attention.layer_norm_rms_epsilon", d.norm_epsilon);
}

}  // namespace

// Keys as llama.cpp reads them: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
Result<FolderMetadata> MetadataOfFolder(const std::filesystem::path& folder,
                                        const ModelDescription& d) {
  const auto* spelling =
      std::find_if(std::begin(kSpellings), std::end(kSpellings),
                   [&](const Spelling& entry) { return d.architecture == entry.family; });
  if (spelling == std::end(kSpellings)) {
    return Failure(NotExported(folder, "architecture " + d.architecture));
  }
  FolderMetadata made;
  formats::GgufMetadata& metadata = made.metadata;
  GgufKeys keys(metadata, spelling->architecture);
  metadata.SetText("general.architecture", spelling->architecture);
  metadata.SetText("general.type", "model");
  metadata.SetText("general.name", std::filesystem::absolute(folder).filename().string());
  AddSizes(d, keys);
  std::string missing = spelling->add(d, keys);
  if (missing.empty()) missing = AddRope(d, keys);
  if (!missing.empty()) return Failure(NotExported(folder, missing));
  LATHE_ASSIGN_OR_RETURN(made.notes, AddTokenizer(folder, d, metadata));
  return made;
}

}  // namespace lathe::trainer::merge
