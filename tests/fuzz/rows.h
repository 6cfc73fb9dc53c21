#pragma once
// Training files as the fuzzers of both kinds of data read them, with a small real text model.

#include <cstdint>

#include "worker/trainer/data/dataset.h"

namespace lathe::fuzz {

/// The first byte chooses what takes loss and what becomes of long rows; the rest is the file.
void ReadRows(trainer::data::Content content, const std::uint8_t* data, std::size_t size);

}  // namespace lathe::fuzz
