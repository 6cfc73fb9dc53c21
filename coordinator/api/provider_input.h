#pragma once
// Configurations that are meant for an engine, as calls bring them. Pure.

#include <google/protobuf/repeated_ptr_field.h>

#include <string>

#include "common/base/result.h"
#include "common/schema/configuration.h"
#include "coordinator/providers/engine.h"
#include "lathe/v1/finding.pb.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::api {

/// A call brings it as a message (null: it does not) or as JSON (empty: it does not).
/// kInvalidArgument unless it is exactly one of them; what is wrong with the text are findings.
Result<schema::Parsed> ReadEither(const v1::JobConfiguration* message, const std::string& json);

/// Adds what may be sent but should be known to `warnings`. kInvalidArgument, with all findings,
/// when it cannot go to the engine.
Status CheckFor(const providers::Engine& engine, const schema::Parsed& parsed,
                google::protobuf::RepeatedPtrField<v1::Finding>& warnings);

}  // namespace lathe::api
