#pragma once
// The files of engines/, which are part of the program.

#include <string_view>
#include <vector>

namespace lathe::providers {

const std::vector<std::string_view>& EngineTexts();

}  // namespace lathe::providers
