#include "worker/trainer/checkpoint/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "common/base/file_io.h"
#include "worker/trainer/adapters/tensor_file.h"
#include "worker/trainer/checkpoint/content_hash.h"
#include "worker/trainer/checkpoint/moments.h"

namespace lathe::trainer::checkpoint {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr int kVersion = 2;
constexpr char kProgressFile[] = "progress.json";
constexpr char kParametersFile[] = "parameters.safetensors";
constexpr char kManifestFile[] = "manifest.json";
constexpr char kStepPrefix[] = "step-";
constexpr char kTemporaryPrefix[] = ".writing-";

Json OptionalNumber(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

std::optional<double> ToOptional(const Json& value) {
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

Json ToJson(const Progress& p, const Identity& identity, std::int64_t updates) {
  return {{"version", kVersion},
          {"settings", identity.settings},
          {"step", p.step},
          {"evaluatedStep", p.evaluated_step},
          {"loss", p.loss},
          {"evaluationLoss", OptionalNumber(p.evaluation_loss)},
          {"bestEvaluationLoss", OptionalNumber(p.best_evaluation_loss)},
          {"bestStep", p.best_step},
          {"evaluationsWithoutGain", p.evaluations_without_gain},
          {"stoppedEarly", p.stopped_early},
          {"nonfiniteInARow", p.nonfinite_in_a_row},
          {"skippedSteps", p.skipped_steps},
          {"lossScale", p.loss_scale.value},
          {"lossScaleGoodSteps", p.loss_scale.good_steps},
          {"seconds", p.seconds},
          {"optimizerUpdates", updates}};
}

Progress FromJson(const Json& json) {
  return {.step = json.at("step").get<std::int64_t>(),
          .evaluated_step = json.at("evaluatedStep").get<std::int64_t>(),
          .loss = json.at("loss").is_number() ? json.at("loss").get<double>() : 0,
          .evaluation_loss = ToOptional(json.at("evaluationLoss")),
          .best_evaluation_loss = ToOptional(json.at("bestEvaluationLoss")),
          .best_step = json.at("bestStep").get<std::int64_t>(),
          .evaluations_without_gain = json.at("evaluationsWithoutGain").get<std::int64_t>(),
          .stopped_early = json.at("stoppedEarly").get<bool>(),
          .nonfinite_in_a_row = json.at("nonfiniteInARow").get<std::int64_t>(),
          .skipped_steps = json.at("skippedSteps").get<std::int64_t>(),
          .loss_scale = {.value = json.at("lossScale").get<double>(),
                         .good_steps = json.at("lossScaleGoodSteps").get<std::int64_t>()},
          .seconds = json.at("seconds").get<double>()};
}

/// Checksums of every file in the folder, and the bytes in all.
Result<std::int64_t> WriteManifest(const fs::path& folder) {
  Json files = Json::object();
  std::int64_t total = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    LATHE_ASSIGN_OR_RETURN(const std::string hash, HashOfFile(entry.path()));
    const auto bytes = static_cast<std::int64_t>(entry.file_size());
    files[name] = {{"bytes", bytes}, {"xxh128", hash}};
    total += bytes;
  }
  const std::string text = Json{{"version", kVersion}, {"files", files}}.dump(2) + "\n";
  LATHE_RETURN_IF_ERROR(WriteFileAtomically(folder / kManifestFile, text));
  return total + static_cast<std::int64_t>(text.size());
}

struct Parts {
  const Identity& identity;
  const Progress& progress;
  const adapters::Trainable& trainable;
  const optim::OptimizerState& optimizer;
};

Status WriteTrainable(const fs::path& folder, const Parts& parts) {
  if (parts.trainable.exact_file.empty()) {
    return adapters::WriteTensors(folder / kParametersFile,
                                  adapters::NamedTensors(parts.trainable));
  }
  return parts.trainable.Save(folder, parts.identity.base_model_name);
}

Status ReadTrainable(const fs::path& folder, const adapters::Trainable& trainable) {
  const std::string& exact = trainable.exact_file;
  LATHE_RETURN_IF_ERROR(adapters::ReadTensors(folder / (exact.empty() ? kParametersFile : exact),
                                              adapters::NamedTensors(trainable)));
  trainable.Refresh();
  return {};
}

Result<std::int64_t> WriteFiles(const fs::path& folder, const Parts& parts) {
  LATHE_RETURN_IF_ERROR(WriteTrainable(folder, parts));
  LATHE_RETURN_IF_ERROR(WriteMoments(parts.optimizer, folder));
  const Json progress = ToJson(parts.progress, parts.identity, parts.optimizer.updates);
  LATHE_RETURN_IF_ERROR(WriteFileAtomically(folder / kProgressFile, progress.dump(2) + "\n"));
  return WriteManifest(folder);
}

Status CheckManifest(const fs::path& folder) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(folder / kManifestFile));
  const Json manifest = Json::parse(text, nullptr, false);
  const auto damaged = [&](const std::string& what) -> Status {
    return Failure(ErrorCode::kDataLoss, folder.filename().string() + " is damaged: " + what);
  };
  if (!manifest.is_object() || !manifest.value("files", Json()).is_object() ||
      manifest["files"].empty()) {
    return damaged("its manifest is not readable");
  }
  for (const auto& [name, entry] : manifest["files"].items()) {
    const auto hash = HashOfFile(folder / name);
    if (!hash) return damaged(hash.error().message);
    if (!entry.is_object() || entry.value("xxh128", Json()) != *hash) {
      return damaged("checksum of " + name + " differs");
    }
  }
  return {};
}

Result<Json> ReadProgress(const fs::path& folder) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(folder / kProgressFile));
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || json.value("version", 0) != kVersion) {
    return Failure(ErrorCode::kDataLoss,
                   folder.filename().string() + " has a format that this program does not read");
  }
  return json;
}

/// Newest first.
std::vector<std::pair<std::int64_t, fs::path>> List(const fs::path& checkpoints) {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(checkpoints, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kStepPrefix)) continue;
    std::int64_t step = 0;
    const char* end = name.data() + name.size();
    const auto [stop, code] = std::from_chars(name.data() + sizeof kStepPrefix - 1, end, step);
    if (code == std::errc() && stop == end) found.emplace_back(step, entry.path());
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

}  // namespace

Result<Written> Write(const fs::path& checkpoints, const Identity& identity,
                      const Progress& progress, const adapters::Trainable& trainable,
                      const optim::OptimizerState& optimizer) {
  const std::string name = kStepPrefix + std::to_string(progress.step);
  const fs::path temporary = checkpoints / (kTemporaryPrefix + name);
  const fs::path final_path = checkpoints / name;
  std::error_code error;
  fs::remove_all(temporary, error);
  fs::create_directories(temporary, error);
  if (error) return Failure(FileError("create", temporary, error.value()));
  auto bytes = WriteFiles(temporary, {identity, progress, trainable, optimizer});
  if (!bytes) {
    fs::remove_all(temporary, error);
    return Failure(std::move(bytes.error()));
  }
  LATHE_RETURN_IF_ERROR(SyncFolder(temporary));
  fs::remove_all(final_path, error);  // Only there when this step was damaged or is repeated.
  fs::rename(temporary, final_path, error);
  if (error) return Failure(FileError("rename", final_path, error.value()));
  LATHE_RETURN_IF_ERROR(SyncFolder(checkpoints));
  return Written{final_path, *bytes};
}

Result<Restored> RestoreNewest(const fs::path& checkpoints, const Identity& identity,
                               const adapters::Trainable& trainable,
                               optim::OptimizerState& optimizer) {
  Restored restored;
  for (const auto& [step, folder] : List(checkpoints)) {
    Status intact = CheckManifest(folder);
    Result<Json> json = intact ? ReadProgress(folder) : Failure(intact.error());
    if (!json) {
      restored.warnings.push_back(json.error().message + "; the checkpoint before it is used");
      continue;
    }
    if (json->value("settings", "") != identity.settings) {
      return Failure(ErrorCode::kFailedPrecondition,
                     folder.string() +
                         " was made with other settings, data or model: use a new output folder, "
                         "or remove it to start anew");
    }
    LATHE_RETURN_IF_ERROR(ReadTrainable(folder, trainable));
    LATHE_RETURN_IF_ERROR(ReadMoments(folder, optimizer));
    optimizer.updates = json->value("optimizerUpdates", std::int64_t{0});
    restored.progress = FromJson(*json);
    return restored;
  }
  return restored;
}

Status RestoreValues(const fs::path& checkpoints, std::int64_t step,
                     const adapters::Trainable& trainable) {
  const fs::path folder = checkpoints / (kStepPrefix + std::to_string(step));
  LATHE_RETURN_IF_ERROR(CheckManifest(folder));
  return ReadTrainable(folder, trainable);
}

void Remove(const fs::path& checkpoints, std::int64_t step) {
  std::error_code ignored;
  fs::remove_all(checkpoints / (kStepPrefix + std::to_string(step)), ignored);
}

void Prune(const fs::path& checkpoints, const Retention& retention) {
  std::error_code ignored;
  const auto list = List(checkpoints);
  const bool has_best = std::any_of(list.begin(), list.end(), [&](const auto& entry) {
    return entry.first == retention.best && entry.first <= retention.step;
  });
  std::int64_t kept = has_best ? 1 : 0;
  bool newest = true;
  for (const auto& [step, folder] : list) {
    if (step > retention.step) continue;
    if (step != retention.best && !newest && kept >= retention.keep) {
      fs::remove_all(folder, ignored);
      continue;
    }
    kept += step != retention.best ? 1 : 0;
    newest = false;
  }
  for (const auto& entry : fs::directory_iterator(checkpoints, ignored)) {
    if (entry.path().filename().string().starts_with(kTemporaryPrefix)) {
      fs::remove_all(entry.path(), ignored);
    }
  }
}

}  // namespace lathe::trainer::checkpoint
