#pragma once
// Stored configurations of older schema versions, brought up to date. What is stored says in which
// version of the schema it was written (kSchemaVersion then). Pure and thread-safe.
//
// A new version: raise kSchemaVersion, add the step from the one before to the table in migrate.cc,
// and let the tests write the new version's files into tests/golden/configurations/versions. Files
// of older versions stay as they are and are read for ever.

#include <string_view>

#include "common/base/result.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::schema {

/// Reads JSON that was stored in schema version `version` (from 1). kFailedPrecondition when that
/// is newer than this program's; kDataLoss with findings when it can't be read.
Result<v1::JobConfiguration> ReadStored(std::string_view json, int version);

}  // namespace lathe::schema
