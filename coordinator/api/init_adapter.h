#pragma once
// The adapter that method.loraConfig.initFrom names, looked up when a job is submitted: the job
// keeps the files by their hashes, whatever becomes of where they came from. Pure but for reading
// blobs.

#include <functional>
#include <string>
#include <vector>

#include "common/artifacts/blob_store.h"
#include "common/base/error.h"
#include "common/domain/artifact.h"
#include "coordinator/runtime/view.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::api {

/// Null when there is no such job.
using FindJob = std::function<runtime::JobPtr(const domain::JobId&)>;

struct InitAdapter {
  domain::Manifest files;         ///< empty: a fresh adapter, or there are findings
  std::vector<Finding> findings;  ///< all errors
};

/// `job-...` is a succeeded job of the same base model; `sha256:...` an uploaded manifest
/// (common/artifacts/manifest.h) whose files are all stored. Either must be a LoRA adapter of the
/// form that the configuration asks for, as far as its adapter_config.json tells; the rest the
/// trainer compares.
InitAdapter FindInitAdapter(const v1::JobConfiguration& configuration, const FindJob& find_job,
                            const artifacts::BlobStore& blobs);

}  // namespace lathe::api
