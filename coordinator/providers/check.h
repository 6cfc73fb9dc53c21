#pragma once
// What an engine says to a configuration, before anything is sent. Pure and thread-safe.

#include <vector>

#include "coordinator/providers/engine.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::providers {

/// The engine's own findings, after those of structure and ranges (common/schema), which this does
/// not repeat. Errors: a value that the engine cannot do, outside of its stricter ranges, a missing
/// or wrong custom parameter. Warnings: parameters that it has no place for and that are left out,
/// with what to set instead where there is something; the engine's note; that it cannot start jobs.
std::vector<Finding> CheckEngine(const Engine& engine, const v1::JobConfiguration& configuration);
/// The same where schema::Resolve(configuration) is at hand.
std::vector<Finding> CheckEngine(const Engine& engine, const v1::JobConfiguration& configuration,
                                 const v1::JobConfiguration& resolved);

/// Everything that is wrong with the configuration for this engine: schema::Validate, then
/// CheckEngine.
std::vector<Finding> Validate(const Engine& engine, const v1::JobConfiguration& configuration);

}  // namespace lathe::providers
