#pragma once
// What a trainer must be able to do for a job, and what one cannot do, as tokens that whoever
// compares them need not understand: `cpu method.type=prefix`. Pure and thread-safe.

#include <string>
#include <string_view>
#include <vector>

#include "lathe/v1/job_configuration.pb.h"
#include "lathe/v1/worker_service.pb.h"

namespace lathe::schema {

/// The tokens of each enumeration that is set, applies and is not the schema's default, which every
/// trainer does; where it runs is not among them. `device`: "cpu" or "cuda". Sorted.
std::vector<std::string> RequiredFeatures(const v1::JobConfiguration& configuration,
                                          std::string_view device);

/// The tokens that the trainer refuses, of those that this schema has. Sorted.
std::vector<std::string> LackedFeatures(const v1::TrainerCapabilities& trainer);

}  // namespace lathe::schema
