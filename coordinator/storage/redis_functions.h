#pragma once
// The function library of lathe.lua, embedded at build time.

#include <string_view>

namespace lathe::storage {

/// What lathe_version answers; the same as VERSION in lathe.lua.
inline constexpr long long kRedisFunctionsVersion = 2;
extern const std::string_view kRedisFunctions;

}  // namespace lathe::storage
