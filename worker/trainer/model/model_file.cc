#include "worker/trainer/model/model_file.h"

namespace lathe::trainer::model {

Result<ModelFile> ModelFile::Open(const std::filesystem::path& model) {
  if (std::filesystem::is_directory(model)) {
    LATHE_ASSIGN_OR_RETURN(auto file, formats::Safetensors::OpenFolder(model));
    return ModelFile{std::move(file), model.string()};
  }
  LATHE_ASSIGN_OR_RETURN(auto file, formats::Gguf::Open(model));
  return ModelFile{std::move(file), model.string()};
}

const std::vector<formats::TensorInfo>& ModelFile::tensors() const {
  return std::visit(
      [](const auto& f) -> const std::vector<formats::TensorInfo>& { return f.tensors(); }, file);
}

const formats::TensorInfo* ModelFile::Find(const std::string& tensor) const {
  if (is_gguf()) return std::get<formats::Gguf>(file).FindTensor(tensor);
  return std::get<formats::Safetensors>(file).Find(tensor);
}

}  // namespace lathe::trainer::model
