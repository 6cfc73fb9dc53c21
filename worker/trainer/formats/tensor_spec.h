#pragma once
// A tensor that is to be written: what a file's header says of it.

#include <cstdint>
#include <string>
#include <vector>

#include "worker/trainer/formats/dtype.h"

namespace lathe::trainer::formats {

struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;  ///< row-major, outermost dimension first
};

}  // namespace lathe::trainer::formats
