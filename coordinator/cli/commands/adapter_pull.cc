#include "coordinator/cli/commands/adapter_pull.h"

#include <system_error>

#include "common/artifacts/manifest.h"
#include "common/base/file_io.h"
#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/client/job_reference.h"
#include "coordinator/cli/commands/job_text.h"
#include "coordinator/cli/output/format.h"
#include "coordinator/cli/output/print.h"

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kAdapterMark[] = "adapter_config.json";

std::map<std::string, std::string> Hashes(const v1::Manifest& manifest) {
  std::map<std::string, std::string> hashes;
  for (const auto& file : manifest.files()) hashes[file.path()] = file.blob().sha256();
  return hashes;
}

enum class Present { kNothing, kSame, kOther };

Result<Present> WhatIsAt(const fs::path& target, const v1::Manifest& manifest) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(target, error))) return Present::kNothing;
  if (!fs::is_directory(target, error)) return Present::kOther;
  if (fs::is_empty(target, error)) {
    // Nothing is lost, and the complete folder can take its name.
    if (fs::remove(target, error)) return Present::kNothing;
    return Failure(FileError("replace the empty folder", target, error.value()));
  }
  const Result<v1::Manifest> found = artifacts::DescribeFolder(target);
  return found && Hashes(*found) == Hashes(manifest) ? Present::kSame : Present::kOther;
}

Error Occupied(const fs::path& target, bool is_adapter) {
  return {ErrorCode::kAlreadyExists,
          target.string() + " exists and holds something else",
          {},
          is_adapter ? "replace it with --force, or name another folder with -o"
                     : "it is no adapter, so --force does not replace it; name another folder "
                       "with -o"};
}

/// Moves an adapter out of the way, so that at each moment one of the two is there.
Status Replace(const artifacts::Client& client, const v1::Manifest& manifest,
               const fs::path& target) {
  const fs::path fresh = target.string() + ".new";
  const fs::path old = target.string() + ".old";
  std::error_code error;
  fs::remove_all(fresh, error);
  fs::remove_all(old, error);
  LATHE_RETURN_IF_ERROR(client.DownloadFolder(manifest, fresh));
  fs::rename(target, old, error);
  if (!error) fs::rename(fresh, target, error);
  if (error) return Failure(FileError("replace", target, error.value()));
  fs::remove_all(old, error);
  return {};
}

Status Place(const artifacts::Client& client, const v1::Manifest& manifest, const fs::path& target,
             bool force) {
  LATHE_ASSIGN_OR_RETURN(const Present present, WhatIsAt(target, manifest));
  switch (present) {
    case Present::kSame:
      return {};
    case Present::kNothing: {
      std::error_code error;
      fs::create_directories(target.parent_path(), error);
      if (error) return Failure(FileError("make the folder", target.parent_path(), error.value()));
      return client.DownloadFolder(manifest, target);
    }
    case Present::kOther:
      break;
  }
  const bool is_adapter = fs::exists(target / kAdapterMark);
  if (!force || !is_adapter) return Failure(Occupied(target, is_adapter));
  return Replace(client, manifest, target);
}

fs::path TargetOf(const AdapterPullOptions& options, const v1::Job& job) {
  if (!options.target.empty()) {
    const fs::path target = fs::absolute(options.target).lexically_normal();
    // "out/" and "out" are the same folder; only the latter has a parent to rename it in.
    return target.has_filename() ? target : target.parent_path();
  }
  return fs::absolute(job.id());
}

Error WithoutAdapter(const v1::Job& job) {
  if (!IsOnCluster(job)) {
    return {ErrorCode::kFailedPrecondition,
            "the job " + job.id() + " leaves no adapter here: its model stays at " +
                job.provider() +
                (job.provider_model().empty() ? "" : " as " + job.provider_model()),
            {}};
  }
  return {ErrorCode::kFailedPrecondition,
          "the job " + job.id() + " has no adapter — it is " + StateToken(job.state()),
          {},
          IsFinal(job.state()) ? "only a succeeded job has one"
                               : "wait for it with `lathe watch " + job.id() + "`"};
}

}  // namespace

Outcome RunAdapterPull(Context& context, const AdapterPullOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(const std::string id, ResolveJobId(*client, options.job));
  LATHE_ASSIGN_OR_RETURN(const v1::Job job, client->GetJob(id));
  if (job.adapter().files().empty()) return Failure(WithoutAdapter(job));
  const fs::path target = TargetOf(options, job);
  if (Status placed = Place(client->Artifacts(), job.adapter(), target, options.force); !placed) {
    return Failure(client->Explained(placed.error()));
  }
  std::uint64_t bytes = 0;
  for (const auto& file : job.adapter().files()) bytes += file.blob().size_bytes();
  Note(context,
       std::to_string(job.adapter().files_size()) + " files, " + FormatBytes(bytes) + ", verified");
  PrintResult(context,
              {{"jobId", id}, {"path", target.string()}, {"adapter", ToDocument(job.adapter())}},
              target.string() + "\n");
  return ExitCode::kOk;
}

}  // namespace lathe::cli
