#pragma once
// The adapters of one answer on this node's disk: one job's, or several jobs' with the file that
// says how they work together.

#include <filesystem>
#include <functional>
#include <string>

#include "common/base/result.h"
#include "lathe/v1/inference_service.pb.h"
#include "worker/cache/blob_cache.h"

namespace lathe::worker::generate {

/// At most one of the two is set.
struct AdapterFiles {
  std::string adapter;      ///< the folder of one
  std::string composition;  ///< the file of a composition of several, for `--compose`
};

/// Puts them into `folder`, which is the caller's to remove, each under its job's name, so that
/// errors tell which. Stops between two of them once `cancelled` is true: kCancelled.
/// kInvalidArgument when the assignment does not hold together; errors of the download.
Result<AdapterFiles> FetchAdapters(const v1::GenerateAssignment& assignment,
                                   cache::BlobCache& cache, const std::filesystem::path& folder,
                                   const std::function<bool()>& cancelled);

}  // namespace lathe::worker::generate
