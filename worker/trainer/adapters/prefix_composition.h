#pragma once
// Several prefixes in front of one sequence. Private to this room.

#include <span>

#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::adapters {

/// One beside the other: tokens begin behind as many positions as all of them have, and the keys of
/// each are turned so that it ends where they begin, as in training.
model::PrefixSet ComposePrefixes(const model::Decoder& decoder,
                                 std::span<const model::PrefixSet* const> prefixes);

}  // namespace lathe::trainer::adapters
