#include "worker/attempt/job_folder.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

#include "common/base/file_io.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::worker::attempt {

namespace fs = std::filesystem;
namespace protocol = trainer_protocol;

constexpr std::string_view kStepPrefix = "step-";
/// Begins with a dot, as no job's id does.
constexpr std::string_view kRemovedPrefix = ".removed-";

fs::path JobFolder::EventLog() const {
  return Output() / protocol::kEventLogFile;
}
fs::path JobFolder::Checkpoints() const {
  return Output() / protocol::kCheckpointsFolder;
}
fs::path JobFolder::Checkpoint(std::uint64_t step) const {
  return Checkpoints() / (std::string(kStepPrefix) + std::to_string(step));
}
fs::path JobFolder::Adapter() const {
  return Output() / protocol::kAdapterFolder;
}
fs::path JobFolder::TrainerLog(std::uint32_t attempt, std::size_t rank) const {
  const std::string which = rank == 0 ? "" : "-rank-" + std::to_string(rank);
  return root / ("trainer-" + std::to_string(attempt) + which + ".log");
}
fs::path JobFolder::Rendezvous(std::uint32_t attempt) const {
  return root / ("rendezvous-" + std::to_string(attempt));
}
fs::path JobFolder::Spool(std::uint32_t attempt) const {
  return root / ("spool-" + std::to_string(attempt));
}
std::string JobFolder::Marker(std::uint32_t attempt) const {
  return root.string() + "#" + std::to_string(attempt);
}

Result<JobFolder> FolderOf(const fs::path& jobs, const std::string& job_id) {
  constexpr std::size_t kMaxLength = 128;
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
  };
  if (job_id.empty() || job_id.size() > kMaxLength || job_id.front() == '.' ||
      !std::all_of(job_id.begin(), job_id.end(), plain)) {
    return Failure(ErrorCode::kInvalidArgument, "'" + job_id + "' is not a job id");
  }
  return JobFolder{jobs / job_id};
}

std::optional<std::uint64_t> NewestCheckpoint(const JobFolder& folder) {
  std::optional<std::uint64_t> newest;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder.Checkpoints(), error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kStepPrefix)) continue;
    std::uint64_t step = 0;
    const char* const end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + kStepPrefix.size(), end, step);
    // Anything behind the number is a folder that is still being written.
    if (parsed.ec != std::errc{} || parsed.ptr != end) continue;
    newest = std::max(newest.value_or(0), step);
  }
  return newest;
}

Status RemoveFolder(const JobFolder& folder) {
  const fs::path removed =
      folder.root.parent_path() / (std::string(kRemovedPrefix) + folder.root.filename().string());
  std::error_code error;
  fs::remove_all(removed, error);
  fs::rename(folder.root, removed, error);
  if (error == std::errc::no_such_file_or_directory) return {};
  if (error) return Failure(FileError("remove", folder.root, error.value()));
  fs::remove_all(removed, error);
  if (error) return Failure(FileError("remove", removed, error.value()));
  return {};
}

void PurgeRemovedFolders(const fs::path& jobs) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(jobs, error)) {
    if (!entry.path().filename().string().starts_with(kRemovedPrefix)) continue;
    std::error_code ignored;
    fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace lathe::worker::attempt
