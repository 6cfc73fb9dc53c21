#include "coordinator/api/init_adapter.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "common/artifacts/manifest.h"
#include "common/artifacts/sha256.h"
#include "common/base/file_io.h"
#include "common/schema/configuration.h"

namespace lathe::api {
namespace {

using Json = nlohmann::json;

constexpr char kPath[] = "method.loraConfig.initFrom";
constexpr char kConfigFile[] = "adapter_config.json";
constexpr char kWeightsFile[] = "adapter_model.safetensors";
constexpr std::string_view kBlobScheme = "sha256:";
constexpr std::string_view kJobScheme = "job-";
constexpr std::uint64_t kMaxTextBytes = 1U << 20U;

std::string Quoted(const std::string& text) {
  return '"' + text + '"';
}

Finding Wrong(const char* path, const char* code, std::string message, std::string given,
              std::string expected) {
  return {path, Severity::kError, code, std::move(message), std::move(given), std::move(expected)};
}

/// A small blob's bytes; nothing when it is not stored or no text.
std::optional<std::string> ReadText(const artifacts::BlobStore& blobs, const std::string& sha256) {
  const auto blob = blobs.Describe(sha256);
  if (!blob || blob->size_bytes() > kMaxTextBytes) return std::nullopt;
  const auto path = blobs.PathOf(sha256);
  if (!path) return std::nullopt;
  auto text = ReadFile(*path);
  return text ? std::optional(std::move(*text)) : std::nullopt;
}

const domain::Blob* FileOf(const domain::Manifest& manifest, std::string_view path) {
  for (const auto& file : manifest.files) {
    if (file.path == path) return &file.blob;
  }
  return nullptr;
}

class Finder {
 public:
  Finder(const v1::JobConfiguration& configuration, const artifacts::BlobStore& blobs)
      : configuration_(configuration),
        lora_(configuration.method().lora_config()),
        given_(Quoted(lora_.init_from())),
        blobs_(blobs) {}

  void OfJob(const FindJob& find_job) {
    const runtime::JobPtr job = find_job(domain::JobId(lora_.init_from()));
    if (!job) {
      Add("not_found", "There is no job of this id.", "the id of a succeeded job");
      return;
    }
    if (job->adapter.files.empty()) {
      Add("no_adapter",
          "This job has no adapter: it is " + std::string(domain::ToString(job->state)) + ".",
          "the id of a succeeded job");
      return;
    }
    const std::string& model = configuration_.model().base_model();
    if (job->spec.base_model != model) {
      Add("other_model",
          "This job's adapter belongs to the base model " + job->spec.base_model + ".",
          "an adapter of " + model);
    }
    out_.files = job->adapter;
    CheckForm();
  }

  void OfUpload() {
    const std::string hash = lora_.init_from().substr(kBlobScheme.size());
    const auto text = artifacts::IsSha256(hash) ? ReadText(blobs_, hash) : std::nullopt;
    if (!text) {
      Add("not_found", "No adapter of this name has been uploaded.",
          "what `lathe submit --init-from FOLDER` sends and sets");
      return;
    }
    const auto manifest = artifacts::ParseManifest(*text);
    if (!manifest) {
      Add("no_adapter", "This upload " + manifest.error().message + ".",
          "the manifest of an adapter's folder");
      return;
    }
    for (const auto& file : manifest->files()) {
      const auto blob = blobs_.Describe(file.blob().sha256());
      if (!blob || blob->size_bytes() != file.blob().size_bytes()) {
        Add("not_found", "Of this adapter, " + file.path() + " has not been uploaded.",
            "an adapter with all its files");
      }
      out_.files.files.push_back({file.path(), {file.blob().sha256(), file.blob().size_bytes()}});
    }
    if (out_.findings.empty()) CheckForm();
  }

  InitAdapter Take() {
    if (!out_.findings.empty()) out_.files = {};
    return std::move(out_);
  }

  void Add(const char* code, std::string message, std::string expected) {
    out_.findings.push_back(Wrong(kPath, code, std::move(message), given_, std::move(expected)));
  }

 private:
  void CheckForm() {
    const domain::Blob* config = FileOf(out_.files, kConfigFile);
    const auto text = config == nullptr ? std::nullopt : ReadText(blobs_, config->sha256);
    const Json saved = text ? Json::parse(*text, nullptr, /*allow_exceptions=*/false) : Json();
    if (!saved.is_object() || FileOf(out_.files, kWeightsFile) == nullptr) {
      Add("no_adapter",
          std::string("This is no adapter in PEFT's layout: it has no readable ") + kConfigFile +
              " with an " + kWeightsFile + ".",
          "a LoRA adapter");
      return;
    }
    const Json type = saved.value("peft_type", Json());
    if (type != "LORA") {
      Add("other_form", "This adapter is of another method: its peft_type is " + type.dump() + ".",
          "a LoRA adapter");
      return;
    }
    Compare("method.loraConfig.useDora", saved.value("use_dora", Json(false)), lora_.use_dora());
    Compare("method.loraConfig.bias", saved.value("bias", Json("none")), BiasToken());
    // With patterns, equal layers can be written in several ways; the trainer compares the layers.
    const auto has = [&](const char* key) { return saved.contains(key) && !saved[key].empty(); };
    if (has("rank_pattern") || has("alpha_pattern") || lora_.rank_pattern_size() > 0 ||
        lora_.alpha_pattern_size() > 0) {
      return;
    }
    Compare("method.loraConfig.rank", saved.value("r", Json(8)), lora_.rank());
    Compare("method.loraConfig.alpha", saved.value("lora_alpha", Json(8)), lora_.alpha());
    Compare("method.loraConfig.useRslora", saved.value("use_rslora", Json(false)),
            lora_.use_rslora());
  }

  std::string BiasToken() const {
    switch (lora_.bias()) {
      case v1::LORA_BIAS_LORA_ONLY:
        return "lora_only";
      case v1::LORA_BIAS_ALL:
        return "all";
      default:
        return "none";
    }
  }

  /// The parameter must be as the adapter has it.
  void Compare(const char* path, const Json& theirs, const Json& ours) {
    if (theirs == ours) return;
    out_.findings.push_back(Wrong(
        path, "other_form",
        "The adapter to start from has " + theirs.dump() + " here; one goes on with the same form.",
        ours.dump(), theirs.dump()));
  }

  const v1::JobConfiguration& configuration_;
  const v1::LoraConfiguration& lora_;
  const std::string given_;
  const artifacts::BlobStore& blobs_;
  InitAdapter out_;
};

}  // namespace

InitAdapter FindInitAdapter(const v1::JobConfiguration& configuration, const FindJob& find_job,
                            const artifacts::BlobStore& blobs) {
  if (configuration.method().lora_config().init_from().empty()) return {};
  const v1::JobConfiguration resolved = schema::Resolve(configuration);
  const v1::MethodConfiguration& method = resolved.method();
  const std::string& from = method.lora_config().init_from();
  const bool applies =
      method.type() == v1::METHOD_TYPE_LORA || method.type() == v1::METHOD_TYPE_QLORA;
  if (!applies) return {};
  Finder finder(resolved, blobs);
  if (from.starts_with(kJobScheme)) {
    finder.OfJob(find_job);
  } else if (from.starts_with(kBlobScheme)) {
    finder.OfUpload();
  } else {
    finder.Add("invalid_value",
               "An adapter is named by the job that made it, or by the hash of an uploaded one; "
               "`lathe submit --init-from FOLDER` uploads one and sets it.",
               "job-... or sha256:...");
  }
  return finder.Take();
}

}  // namespace lathe::api
