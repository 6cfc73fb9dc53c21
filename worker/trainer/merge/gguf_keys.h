#pragma once
// The keys of a GGUF file that say what a model looks like. Private to this room.

#include <string>
#include <vector>

#include "worker/trainer/formats/gguf_writer.h"
#include "worker/trainer/model/description.h"

namespace lathe::trainer::merge {

/// Sets keys of one architecture; names begin with a dot.
class GgufKeys {
 public:
  GgufKeys(formats::GgufMetadata& metadata, std::string architecture)
      : metadata_(metadata), architecture_(std::move(architecture)) {}

  void Integer(const std::string& key, std::int64_t value) {
    metadata_.SetInteger(architecture_ + key, static_cast<std::uint32_t>(value));
  }
  void Number(const std::string& key, double value) {
    metadata_.SetNumber(architecture_ + key, static_cast<float>(value));
  }
  void Text(const std::string& key, const std::string& value) {
    metadata_.SetText(architecture_ + key, value);
  }

 private:
  formats::GgufMetadata& metadata_;
  std::string architecture_;
};

/// How positions turn, of the model's first rope. Returns what cannot be said, in a few words.
std::string AddRope(const model::ModelDescription& d, GgufKeys& keys);

/// Divisors of frequencies, which GGUF keeps as tensors.
struct RopeTensor {
  std::string name;
  std::vector<float> values;
};
std::vector<RopeTensor> RopeTensors(const model::ModelDescription& d);

}  // namespace lathe::trainer::merge
