#pragma once
// Fills a job's folder with what its trainer needs: data, adapter, checkpoint, plan. Blocking.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "worker/attempt/attempt_record.h"
#include "worker/attempt/job_folder.h"
#include "worker/cache/blob_cache.h"

namespace lathe::worker::attempt {

/// The path of a base model of this node; nullopt when it has none of that name. Thread-safe.
using FindModel = std::function<std::optional<std::filesystem::path>(const std::string& name)>;

/// Repeating it after an error goes on where it stopped. kNotFound: no such model or blob;
/// kUnavailable: the coordinator is away.
Status PrepareJob(const JobFolder& folder, const AttemptRecord& record, const FindModel& find_model,
                  cache::BlobCache& cache);

}  // namespace lathe::worker::attempt
