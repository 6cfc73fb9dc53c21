#pragma once
// What must hold of a saved configuration before it is stored. Pure.

#include <vector>

#include "common/base/error.h"
#include "common/domain/caller.h"
#include "common/schema/dialects.h"
#include "lathe/v1/saved_configuration.pb.h"

namespace lathe::resources {

/// Findings on everything but the configuration itself. Each is an error: such a resource cannot be
/// stored at all.
std::vector<Finding> CheckFields(const v1::SavedConfiguration& saved, const domain::Caller& caller);

/// Every finding on a configuration, but that its training data is missing: that is chosen with
/// each job.
std::vector<Finding> CheckConfiguration(const schema::Imported& read);

/// Takes the configuration over with its findings and what filters look at.
void PutConfiguration(const schema::Imported& read, const std::vector<Finding>& findings,
                      v1::SavedConfiguration& saved);

}  // namespace lathe::resources
