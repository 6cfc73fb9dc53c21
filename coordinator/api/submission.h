#pragma once
// From a request to a checked job: everything that can be known to be wrong is found before
// anything is stored, all at once. Pure but for looking up blobs.

#include <optional>
#include <string>
#include <vector>

#include "common/artifacts/blob_store.h"
#include "common/base/result.h"
#include "common/domain/job.h"
#include "common/secrets/keyring.h"
#include "coordinator/api/init_adapter.h"
#include "coordinator/api/source_job.h"
#include "coordinator/core/events.h"
#include "coordinator/providers/cluster.h"
#include "coordinator/providers/settings.h"
#include "coordinator/resources/configuration_library.h"
#include "coordinator/runtime/view.h"
#include "lathe/v1/job_service.pb.h"

namespace lathe::api {

struct Submission {
  domain::JobSpec spec;           ///< with a new id
  std::string configuration;      ///< JSON as given, secrets sealed; what the spec's hash names
  v1::JobConfiguration given;     ///< the same as a message
  v1::JobConfiguration resolved;  ///< with every default
  std::vector<v1::ResolvedValue> values;  ///< none where the answer is to be brief
  std::vector<Finding> warnings;
  std::optional<core::UsedResource> used;  ///< the saved configuration that it was made from
};

/// A request, the saved configuration and the job that it names (null when it names none), who
/// makes it, and the engines' addresses and keys (null: none).
struct SubmissionRequest {
  const v1::CreateJobRequest& request;
  const resources::UsableConfiguration* saved = nullptr;
  std::string owner;
  /// What this cluster can do; null: what the built-in description says.
  const providers::ClusterEngines* cluster = nullptr;
  const SourceJob* source = nullptr;
  const providers::Settings* engines = nullptr;
};

/// `nodes` are those that ever registered: what they have decides which base models are known and
/// whether `device: auto` means a GPU. `find_job`
/// finds the job whose adapter this one starts from. `keyring` may be null: then secrets are
/// refused. kInvalidArgument with all findings; kFailedPrecondition when a missing key is all that
/// is wrong.
Result<Submission> CheckSubmission(const SubmissionRequest& submitted,
                                   const std::vector<runtime::NodeView>& nodes,
                                   const artifacts::BlobStore& blobs,
                                   const secrets::Keyring* keyring, const FindJob& find_job);

/// "job-" and 12 random characters.
domain::JobId DrawJobId();

}  // namespace lathe::api
