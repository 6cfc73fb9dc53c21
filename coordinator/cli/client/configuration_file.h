#pragma once
// A job configuration as the user wrote it: a YAML or JSON file, or standard input.

#include <istream>
#include <string>

#include "common/base/result.h"
#include "common/schema/configuration.h"

namespace lathe::cli {

/// Reads the file ("-": `input`). Findings of the structure are in the result; an unreadable file
/// is an error.
Result<schema::Parsed> ReadConfiguration(const std::string& file, std::istream& input);

}  // namespace lathe::cli
