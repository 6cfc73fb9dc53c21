#pragma once
// Configurations as calls bring them: a message or text in any dialect, a template below, single
// values above. Pure.

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/schema/dialects.h"
#include "lathe/v1/configuration_service.pb.h"
#include "lathe/v1/resolved_value.pb.h"

namespace lathe::api {

/// kInvalidArgument when nothing is given or the dialect is unknown; what is wrong with the text
/// itself are findings of the answer.
Result<schema::Imported> ReadInput(const v1::ConfigurationInput& input);

/// The dialect of a token; kInvalidArgument, with a did-you-mean, for any other word.
Result<schema::Dialect> ReadDialect(const std::string& token, const char* path);

/// A built-in template's configuration, an empty one for an empty name; kNotFound, with a
/// did-you-mean.
Result<v1::JobConfiguration> ReadTemplate(const std::string& name);

/// What a person said and what lies below it.
struct LayeredConfiguration {
  v1::JobConfiguration below;     ///< the template's
  v1::JobConfiguration said;      ///< what was given, and the values set above it
  v1::JobConfiguration together;  ///< what runs
  std::vector<Finding> findings;  ///< of the values that could not be set
};

LayeredConfiguration Layer(v1::JobConfiguration below, v1::JobConfiguration said,
                           const google::protobuf::RepeatedPtrField<std::string>& set);

/// Every value that a worker gets, with its source.
std::vector<v1::ResolvedValue> ExplainValues(const LayeredConfiguration& layers);

}  // namespace lathe::api
