#pragma once
// Names of requests, so that one that is sent twice acts once.

#include <string>

namespace lathe::cli {

/// A random UUID (version 4, RFC 9562).
std::string NewRequestId();

}  // namespace lathe::cli
