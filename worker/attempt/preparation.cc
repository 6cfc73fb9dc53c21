#include "worker/attempt/preparation.h"

#include <system_error>

#include "common/base/file_io.h"
#include "worker/process/plan_file.h"

namespace lathe::worker::attempt {
namespace {

namespace fs = std::filesystem;

Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Failure(FileError("make", folder, error.value()));
  return {};
}

// The node's own checkpoint is used when it is at least as new: it needs no download.
Status FetchCheckpoint(const JobFolder& folder, const v1::StartAttempt& start,
                       cache::BlobCache& cache) {
  if (start.checkpoint().files().empty()) return {};
  const auto newest = NewestCheckpoint(folder);
  if (newest && *newest >= start.checkpoint_step()) return {};
  LATHE_RETURN_IF_ERROR(MakeFolder(folder.Checkpoints()));
  // Completed elsewhere first: the trainer takes every step-N folder for a whole checkpoint.
  const fs::path incoming =
      folder.Inputs() / ("checkpoint-" + std::to_string(start.checkpoint_step()));
  LATHE_RETURN_IF_ERROR(cache.FetchFolder(start.checkpoint(), incoming));
  const fs::path target = folder.Checkpoint(start.checkpoint_step());
  std::error_code error;
  fs::rename(incoming, target, error);
  if (error) return Failure(FileError("rename to", target, error.value()));
  return SyncFolder(folder.Checkpoints());
}

}  // namespace

Status PrepareJob(const JobFolder& folder, const AttemptRecord& record, const FindModel& find_model,
                  cache::BlobCache& cache) {
  const v1::StartAttempt& start = record.start;
  const auto model = find_model(start.base_model());
  if (!model) {
    return Failure(ErrorCode::kNotFound, "base model '" + start.base_model() +
                                             "' is not in this node's models_dir any more");
  }
  LATHE_RETURN_IF_ERROR(MakeFolder(folder.Inputs()));
  LATHE_RETURN_IF_ERROR(MakeFolder(folder.Output()));
  process::Plan plan{.job_id = start.job_id(),
                     .attempt = start.attempt(),
                     .device = start.gpu_indices().empty() ? "cpu" : "cuda:0",
                     .configuration_json = start.configuration_json(),
                     .base_model = *model,
                     .train = folder.Inputs() / "train.jsonl",
                     .output = folder.Output(),
                     .world_size = record.ranks,
                     .base_weights = record.base_weights};
  LATHE_RETURN_IF_ERROR(cache.Fetch(start.train(), plan.train));
  if (start.has_validation()) {
    plan.validation = folder.Inputs() / "validation.jsonl";
    LATHE_RETURN_IF_ERROR(cache.Fetch(start.validation(), *plan.validation));
  }
  if (!start.init_adapter().files().empty()) {
    plan.init_adapter = folder.Inputs() / "adapter";
    LATHE_RETURN_IF_ERROR(cache.FetchFolder(start.init_adapter(), *plan.init_adapter));
  }
  LATHE_RETURN_IF_ERROR(FetchCheckpoint(folder, start, cache));
  LATHE_ASSIGN_OR_RETURN(const std::string text, process::PlanText(plan));
  return WriteFileAtomically(folder.Plan(), text);
}

}  // namespace lathe::worker::attempt
