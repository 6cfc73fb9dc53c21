#pragma once
// Writes a safetensors file tensor by tensor, for models that do not fit memory twice. For tensors
// that are all in memory WriteSafetensors is simpler.

#include <filesystem>
#include <span>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/formats/file_sink.h"
#include "worker/trainer/formats/safetensors.h"
#include "worker/trainer/formats/tensor_spec.h"

namespace lathe::trainer::formats {

class SafetensorsStream {
 public:
  /// Writes the header. The tensors' bytes follow in this order, without gaps: wide types first
  /// keeps them aligned. kInvalidArgument as WriteSafetensors.
  static Result<SafetensorsStream> Create(const std::filesystem::path& path,
                                          std::span<const TensorSpec> tensors,
                                          const SafetensorsMetadata& metadata);

  Status Write(std::span<const std::byte> bytes) { return sink_.Write(bytes); }
  /// kInternal when the bytes are not as many as the header says.
  Status Commit();

 private:
  SafetensorsStream(FileSink sink, std::uint64_t size) : sink_(std::move(sink)), size_(size) {}
  FileSink sink_;
  std::uint64_t size_;  ///< of the whole file
};

}  // namespace lathe::trainer::formats
