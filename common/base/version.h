#pragma once
// The version that this build was made as, one for all programs; set in the top CMakeLists.txt.

namespace lathe {

/// For example "0.1.0".
const char* Version();

}  // namespace lathe
