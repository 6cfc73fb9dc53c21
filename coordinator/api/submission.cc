#include "coordinator/api/submission.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "common/artifacts/sha256.h"
#include "common/base/check.h"
#include "common/schema/configuration.h"
#include "common/schema/features.h"
#include "common/schema/parameters.h"
#include "common/secrets/sealed_configuration.h"
#include "coordinator/api/configuration_input.h"
#include "coordinator/api/job_engine.h"
#include "coordinator/resources/saved_configuration.h"

namespace lathe::api {
namespace {

constexpr std::size_t kMaxName = 128;
constexpr std::size_t kMaxRequestId = 128;
constexpr std::string_view kBlobScheme = "sha256:";

std::string Hash(std::string_view bytes) {
  artifacts::Sha256 hash;
  hash.Update(bytes);
  return hash.Finish();
}

bool HasControlCharacter(const std::string& text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

std::string Quoted(const std::string& text) {
  return "\"" + text + "\"";
}

std::string SourceOf(const SubmissionRequest& submitted) {
  if (submitted.saved != nullptr) return "saved:" + submitted.saved->key;
  if (submitted.source != nullptr) return "job:" + submitted.request.source_job();
  const std::string& name = submitted.request.template_();
  return name.empty() ? "" : "template:" + name;
}

/// Equal for equal requests. A saved configuration may change between two tries of one request: its
/// name counts and what is set above it, not what is in it. Secrets count by their fingerprint: the
/// hash is stored.
std::string PayloadHash(const SubmissionRequest& submitted, const domain::JobSpec& spec,
                        const v1::JobConfiguration& together, const secrets::Keyring* keyring) {
  const v1::CreateJobRequest& request = submitted.request;
  const bool saved = submitted.saved != nullptr;
  const v1::JobConfiguration asked = saved ? Layer({}, {}, request.set()).said : together;
  std::string text = schema::ToJson(asked, schema::Secrets::kRedact);
  if (saved) {
    text += "\n" + spec.configuration_source + "\n" + request.template_();
    // What is unset above it leaves no other trace.
    for (const std::string& set : request.set()) text += "\n" + set.substr(0, set.find('='));
  }
  if (!spec.engine.empty()) text += "\nengine " + spec.engine;
  const std::string fingerprint = secrets::Fingerprint(asked, keyring);
  return Hash(Hash(text) + "\n" + std::to_string(spec.priority) + "\n" + spec.name +
              (fingerprint.empty() ? "" : "\n" + fingerprint));
}

/// Collects the findings of one request.
class Checker {
 public:
  Checker(const std::vector<runtime::NodeView>& nodes, const artifacts::BlobStore& blobs)
      : nodes_(nodes), blobs_(blobs) {}

  void CheckText(const char* path, const std::string& text, std::size_t limit) {
    if (text.size() <= limit && !HasControlCharacter(text)) return;
    Add(path, "invalid_value",
        std::string(path) + " must have at most " + std::to_string(limit) +
            " bytes and no control characters.",
        "", "at most " + std::to_string(limit) + " bytes");
  }

  LayeredConfiguration ReadConfiguration(const SubmissionRequest& submitted) {
    const v1::CreateJobRequest& request = submitted.request;
    v1::JobConfiguration below;
    if (auto known = ReadTemplate(request.template_())) {
      below = std::move(*known);
    } else {
      Add("template", "unknown_template", known.error().message, Quoted(request.template_()),
          "a name that ListTemplates gives");
    }
    if (submitted.saved != nullptr) Append(submitted.saved->warnings);
    if (submitted.source != nullptr) Append(submitted.source->warnings);
    LayeredConfiguration layers = Layer(std::move(below), ReadGiven(submitted), request.set());
    Append(std::move(layers.findings));
    return layers;
  }

  void CheckValues(const CheckedConfiguration& configuration, const EngineChoice& choice,
                   const providers::ClusterEngines* cluster) {
    Append(choice.findings);
    Append(schema::Validate(configuration.given, configuration.resolved));
    if (choice.engine == nullptr) return;
    if (choice.is_service()) {
      return Append(CheckForService(*choice.engine, configuration, findings_));
    }
    static const providers::ClusterEngines built_in = providers::MakeClusterEngines({});
    Append(CheckForCluster(configuration, nodes_, cluster == nullptr ? built_in : *cluster,
                           findings_));
  }

  std::optional<domain::Blob> FindDataset(const char* path, const std::string& id) {
    if (!id.starts_with(kBlobScheme) || !artifacts::IsSha256(id.substr(kBlobScheme.size()))) {
      Add(path, "invalid_value",
          "A data set is named by the hash of its uploaded file; `lathe submit --dataset FILE` "
          "uploads one and sets it.",
          Quoted(id), "sha256: and 64 hexadecimal digits");
      return std::nullopt;
    }
    const auto blob = blobs_.Describe(id.substr(kBlobScheme.size()));
    if (!blob) {
      Add(path, "not_found", "No data set of this hash has been uploaded.", Quoted(id),
          "the hash of an uploaded file");
      return std::nullopt;
    }
    if (blob->size_bytes() == 0) {
      Add(path, "empty_dataset", "The data set has no examples.", Quoted(id),
          "a file with at least one example");
    }
    return domain::Blob{blob->sha256(), blob->size_bytes()};
  }

  void Append(std::vector<Finding> more) {
    findings_.insert(findings_.end(), std::make_move_iterator(more.begin()),
                     std::make_move_iterator(more.end()));
  }

  std::vector<Finding>& findings() { return findings_; }

 private:
  v1::JobConfiguration ReadGiven(const SubmissionRequest& submitted) {
    const v1::CreateJobRequest& request = submitted.request;
    const bool as_text = !request.configuration_json().empty();
    const int forms = int{as_text} + int{request.has_configuration()} +
                      int{request.has_saved_configuration()} + int{!request.source_job().empty()};
    if (forms > 1 || (forms == 0 && request.template_().empty())) {
      Add("configuration", "required",
          "Exactly one of configuration, configuration_json, saved_configuration and source_job "
          "must be set, or a template.",
          "", "one of these");
      return {};
    }
    if (submitted.saved != nullptr) return submitted.saved->configuration;
    if (submitted.source != nullptr) return submitted.source->configuration;
    if (!as_text) return request.configuration();
    schema::Parsed parsed = schema::FromJson(request.configuration_json());
    Append(std::move(parsed.findings));
    return std::move(parsed.configuration);
  }

  void Add(const char* path, const char* code, std::string message, std::string given,
           std::string expected) {
    findings_.push_back(
        {path, Severity::kError, code, std::move(message), std::move(given), std::move(expected)});
  }

  const std::vector<runtime::NodeView>& nodes_;
  const artifacts::BlobStore& blobs_;
  std::vector<Finding> findings_;
};

}  // namespace

Result<Submission> CheckSubmission(const SubmissionRequest& submitted,
                                   const std::vector<runtime::NodeView>& nodes,
                                   const artifacts::BlobStore& blobs,
                                   const secrets::Keyring* keyring, const FindJob& find_job) {
  const v1::CreateJobRequest& request = submitted.request;
  Checker checker(nodes, blobs);
  checker.CheckText("name", request.name(), kMaxName);
  checker.CheckText("request_id", request.request_id(), kMaxRequestId);
  const LayeredConfiguration layers = checker.ReadConfiguration(submitted);
  const v1::JobConfiguration& configuration = layers.together;
  // Values are looked at even when the structure is wrong elsewhere: all findings at once.
  const EngineChoice choice = ChooseEngine(request.provider(), submitted.engines);
  Submission out;
  out.resolved = schema::Resolve(configuration);
  checker.CheckValues({configuration, out.resolved}, choice, submitted.cluster);
  const auto& datasets = configuration.datasets();
  if (datasets.has_training_file_id()) {
    out.spec.train = checker.FindDataset("datasets.trainingFileId", datasets.training_file_id())
                         .value_or(domain::Blob{});
  }
  if (datasets.has_validation_file_id() && !datasets.validation_file_id().empty()) {
    out.spec.validation =
        checker.FindDataset("datasets.validationFileId", datasets.validation_file_id());
  }
  InitAdapter init_adapter = FindInitAdapter(configuration, find_job, blobs);
  checker.Append(std::move(init_adapter.findings));
  out.spec.init_adapter = std::move(init_adapter.files);
  out.spec.id = DrawJobId();
  auto sealed = secrets::Seal(configuration, secrets::JobRecordId(out.spec.id.value()), keyring);
  if (!sealed) {
    if (!HasErrors(checker.findings())) return Failure(std::move(sealed.error()));
    // A redacted secret is among the findings already.
    if (sealed.error().code != ErrorCode::kInvalidArgument) {
      checker.Append(std::move(sealed.error().findings));
    }
  }
  if (HasErrors(checker.findings())) {
    return Failure(Error{ErrorCode::kInvalidArgument, "the job cannot run as it is configured",
                         std::move(checker.findings())});
  }
  out.warnings = std::move(checker.findings());
  out.configuration = schema::ToJson(*sealed);
  out.given = std::move(*sealed);
  if (!request.brief()) out.values = ExplainValues(layers);
  if (submitted.saved != nullptr) {
    out.used = core::UsedResource{resources::kSavedConfigurationKind, submitted.saved->key};
  }
  out.spec.name = request.name();
  out.spec.owner = submitted.owner;
  out.spec.schema_version = schema::kSchemaVersion;
  out.spec.configuration_source = SourceOf(submitted);
  out.spec.priority = request.priority();
  if (choice.is_service()) out.spec.engine = choice.engine->id;
  out.spec.resources = choice.is_service() ? domain::ResourceRequest{.cpu_slots = 1}
                                           : ResourcesFor(configuration, nodes);
  if (!choice.is_service()) {
    out.spec.required_features =
        schema::RequiredFeatures(configuration, out.spec.resources.gpus > 0 ? "cuda" : "cpu");
  }
  out.spec.request_id = request.request_id();
  out.spec.configuration_hash = Hash(out.configuration);
  out.spec.base_model = configuration.model().base_model();
  out.spec.payload_hash = PayloadHash(submitted, out.spec, configuration, keyring);
  return out;
}

domain::JobId DrawJobId() {
  // 32 characters, so that each takes five bits; without i, l, o and u, which are misread.
  constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
  std::array<unsigned char, 12> bytes{};
  LATHE_CHECK(::getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
              "the system gives no random bytes");
  std::string id = "job-";
  for (const unsigned char byte : bytes) id += kAlphabet[byte & 31U];
  return domain::JobId(id);
}

}  // namespace lathe::api
