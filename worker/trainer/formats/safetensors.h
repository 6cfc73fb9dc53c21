#pragma once
// Reads and writes safetensors: 8 bytes header length (little endian), a JSON header, the bytes.
// A file is mapped and fully checked on opening: header bounds and shape, known types, sizes that
// follow from type and shape, tensors that tile the data without gap or overlap, no name twice.
// Damage is kDataLoss and names file and tensor. Immutable after opening, so readers may share it.
//
// Format: https://huggingface.co/docs/safetensors#format

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/formats/dtype.h"
#include "worker/trainer/formats/mapped_file.h"

namespace lathe::trainer::formats {

using SafetensorsMetadata = std::map<std::string, std::string>;

/// One file, or all shards of a folder. Its tensors' data live as long as it does.
class Safetensors {
 public:
  static Result<Safetensors> OpenFile(const std::filesystem::path& path);
  /// A model folder: the shards that model.safetensors.index.json names, else model.safetensors.
  /// kNotFound when the folder has neither.
  static Result<Safetensors> OpenFolder(const std::filesystem::path& folder);

  /// In the order of their names.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  /// nullptr when there is none of that name.
  const TensorInfo* Find(std::string_view name) const;
  /// The `__metadata__` of the file (of the first shard that has it).
  const SafetensorsMetadata& metadata() const { return metadata_; }

 private:
  std::vector<MappedFile> files_;
  std::vector<TensorInfo> tensors_;
  SafetensorsMetadata metadata_;
};

/// Writes tensors to a temporary name, fsyncs and renames: after a crash the file is old or new.
/// Deterministic: wide types first, then by name; the header is padded with spaces to 8 bytes.
/// kInvalidArgument for a name given twice, a size that disagrees with the shape or a type that
/// the format lacks.
Status WriteSafetensors(const std::filesystem::path& path, std::span<const TensorInfo> tensors,
                        const SafetensorsMetadata& metadata);

}  // namespace lathe::trainer::formats
