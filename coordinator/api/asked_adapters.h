#pragma once
// The adapters that a call of Generate asks for: one job's, or those of several jobs together.
// Looked up and checked. Pure but for what it is given to ask.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "coordinator/api/init_adapter.h"
#include "coordinator/api/refusals.h"
#include "lathe/v1/inference_service.pb.h"
#include "lathe/v1/method_configuration.pb.h"

namespace lathe::api {

struct JobFacts {
  FindJob find;
  /// How the job was to be trained. Errors: those of the store.
  std::function<Result<v1::MethodType>(const domain::Job&)> method_of;
  /// Of a base model; nullopt while no node has told it.
  std::function<std::optional<std::int64_t>(const std::string& model)> layers_of;
};

struct AskedAdapters {
  std::string base_model;           ///< that they belong to; empty: none was found
  std::vector<v1::Manifest> files;  ///< of each job that was found, in order
};

/// Adds to `refusals` what speaks against them: kNotFound for a job that does not exist,
/// kFailedPrecondition for one without an adapter, kInvalidArgument for what cannot be combined:
/// several base models, a job twice, a whole model beside others, half a prefix, weights of layers
/// without a gate or in another number than the model's layers. Single values are
/// schema::CheckValues'. The trainer checks what only the files tell.
Result<AskedAdapters> FindAdapters(const v1::GenerateRequest& request, const JobFacts& facts,
                                   Refusals& refusals);

}  // namespace lathe::api
