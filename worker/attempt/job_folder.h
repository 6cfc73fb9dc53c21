#pragma once
// Where things lie in a job's folder on the node, DATA_DIR/jobs/JOB: kept between attempts, so that
// the next one finds the trainer's checkpoints. Thread-safe for folders of different jobs.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/base/result.h"

namespace lathe::worker::attempt {

struct JobFolder {
  std::filesystem::path root;

  std::filesystem::path Record() const { return root / "attempt.json"; }
  std::filesystem::path Plan() const { return root / "plan.json"; }
  std::filesystem::path Inputs() const { return root / "inputs"; }
  std::filesystem::path Output() const { return root / "output"; }
  std::filesystem::path EventLog() const;
  std::filesystem::path Checkpoints() const;
  std::filesystem::path Checkpoint(std::uint64_t step) const;
  std::filesystem::path Adapter() const;
  /// Rank 0's is the one that the coordinator gets.
  std::filesystem::path TrainerLog(std::uint32_t attempt, std::size_t rank = 0) const;
  /// Where the ranks of an attempt meet.
  std::filesystem::path Rendezvous(std::uint32_t attempt) const;
  std::filesystem::path Spool(std::uint32_t attempt) const;
  /// Value of the trainer's environment variable that names the attempt.
  std::string Marker(std::uint32_t attempt) const;
};

/// The folder of a job. kInvalidArgument when its id is not a plain name (letters, digits, '.',
/// '_',
/// '-'; at most 128; not beginning with a dot).
Result<JobFolder> FolderOf(const std::filesystem::path& jobs, const std::string& job_id);

/// The step of the newest complete checkpoint (folder step-N); nullopt when there is none.
std::optional<std::uint64_t> NewestCheckpoint(const JobFolder& folder);

/// Takes the whole folder away in one step, whenever the daemon dies: half a folder, checkpoints
/// without the event log, would let the next attempt go on behind steps that nobody has told of.
Status RemoveFolder(const JobFolder& folder);

/// Frees what a daemon that died within RemoveFolder left in the folder of all jobs.
void PurgeRemovedFolders(const std::filesystem::path& jobs);

}  // namespace lathe::worker::attempt
