#pragma once
// What a command line names as a configuration: a file, a built-in template, a saved one.

#include <optional>
#include <string>
#include <vector>

#include "common/schema/dialects.h"
#include "coordinator/cli/context.h"
#include "lathe/v1/saved_configuration.pb.h"

namespace lathe::cli {

/// Reads a file in any dialect; "-" is standard input. Without a dialect its shape tells. Errors
/// are those of reading the file; what is wrong in it are findings.
Result<schema::Imported> ImportFile(Context& context, const std::string& file,
                                    std::optional<schema::Dialect> dialect = std::nullopt);

/// Applies `--set`; what is wrong with a value is a finding among the others.
Status SetAll(const std::vector<std::string>& assignments, v1::JobConfiguration& configuration,
              std::vector<Finding>& findings);

/// The dialect of a token, or none for an empty one; kInvalidArgument with a did-you-mean.
Result<std::optional<schema::Dialect>> DialectOption(const std::string& token);
std::vector<std::string> DialectTokens();

/// "NAME" is one of the caller's own, "OWNER/NAME" somebody's.
v1::SavedConfigurationName ParseSavedName(const std::string& text);
/// The reverse, as short as the caller may write it.
std::string SavedNameText(const Context& context, const v1::SavedConfiguration& saved);

/// `file:PATH`, `template:NAME` or `saved:NAME`; without a prefix a file that is there, then a
/// template, then a saved configuration. Only the last asks the coordinator. kInvalidArgument with
/// findings when it can't be read.
Result<v1::JobConfiguration> ReadAnyConfiguration(Context& context, const std::string& reference);

}  // namespace lathe::cli
