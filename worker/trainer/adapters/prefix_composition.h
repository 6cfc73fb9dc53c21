#pragma once
// Several prefixes in front of one sequence. Private to this room.

#include <span>

#include "worker/trainer/adapters/composition_order.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::adapters {

/// Tokens begin behind as many positions as all of them have. Beside each other, the keys of each
/// are turned so that it ends where the tokens begin, as in training; in turn, so that it begins
/// where the one before it ends.
model::PrefixSet ComposePrefixes(const model::Decoder& decoder, CompositionOrder order,
                                 std::span<const model::PrefixSet* const> prefixes);

}  // namespace lathe::trainer::adapters
