#pragma once
// Where a list's next page begins, as an opaque text.

#include <optional>
#include <string>
#include <string_view>

#include "coordinator/runtime/view.h"

namespace lathe::api {

std::string MakePageToken(const runtime::ListPosition& position);
/// nullopt for a text that MakePageToken did not make.
std::optional<runtime::ListPosition> ReadPageToken(std::string_view token);

}  // namespace lathe::api
