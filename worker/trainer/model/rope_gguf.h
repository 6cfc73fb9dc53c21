#pragma once
// Rotary positions as GGUF metadata describe them. Private to the reader of descriptions.

#include "worker/trainer/model/description.h"

namespace lathe::trainer::model {

Result<RopeDescription> ReadGgufRope(const formats::Gguf& gguf,
                                     const ModelDescription& description);

}  // namespace lathe::trainer::model
