#pragma once
// The file or files of a model, open: a Hugging Face folder's safetensors, or a GGUF file.

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/formats/gguf.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::trainer::model {

struct ModelFile {
  std::variant<formats::Safetensors, formats::Gguf> file;
  std::string name;  ///< for messages

  static Result<ModelFile> Open(const std::filesystem::path& model);

  bool is_gguf() const { return std::holds_alternative<formats::Gguf>(file); }
  const std::vector<formats::TensorInfo>& tensors() const;
  /// nullptr when there is none of that name.
  const formats::TensorInfo* Find(const std::string& tensor) const;
};

}  // namespace lathe::trainer::model
