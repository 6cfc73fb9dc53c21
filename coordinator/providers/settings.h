#pragma once
// Where an engine is reached and with which key, from the daemon's configuration. Values.

#include <cstdint>
#include <map>
#include <string>

#include "common/base/result.h"
#include "coordinator/providers/engine.h"

namespace lathe::providers {

struct Access {
  std::string base_url;         ///< without a slash at the end
  std::string api_key;          ///< empty: none, so that jobs can't be started
  std::uint32_t max_jobs = 64;  ///< of ours that it may have at once
};

/// By engine; engines that are not in it are reached at their own address, without a key.
using Settings = std::map<std::string, Access>;

/// Also for engines that are not in the settings.
Access AccessOf(const Settings& settings, const Engine& engine);

/// kInvalidArgument unless it is an https address, or an http address of this machine: keys and
/// data go there. User names, queries and fragments are refused. Without the slash at its end.
Result<std::string> CheckBaseUrl(const std::string& url);

/// Whether the host of an http or https address is this machine: 127.0.0.0/8, ::1 or localhost.
bool IsLoopback(const std::string& url);

}  // namespace lathe::providers
