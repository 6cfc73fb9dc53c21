#pragma once
// What an adapter of a composition finds (composition.h). Private to this room.

#include <cstdint>

namespace lathe::trainer::adapters {

enum class CompositionOrder : std::uint8_t {
  kBeside,  ///< each the base
  kInTurn,  ///< each what those before it have made of the base
};

}  // namespace lathe::trainer::adapters
