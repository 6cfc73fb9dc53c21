#include "worker/trainer/formats/safetensors_stream.h"

#include <cstring>
#include <nlohmann/json.hpp>

namespace lathe::trainer::formats {

Result<SafetensorsStream> SafetensorsStream::Create(const std::filesystem::path& path,
                                                    std::span<const TensorSpec> tensors,
                                                    const SafetensorsMetadata& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    const auto fail = [&](const std::string& what) {
      return Failure(ErrorCode::kInvalidArgument, "tensor " + tensor.name + " " + what);
    };
    if (!InfoOf(tensor.dtype).in_safetensors) {
      return fail("has type " + std::string(ToString(tensor.dtype)) + ", which safetensors lacks");
    }
    if (header.contains(tensor.name)) return fail("is given twice");
    LATHE_ASSIGN_OR_RETURN(const std::uint64_t size, ByteSize(tensor.dtype, tensor.shape));
    header[tensor.name] = {{"dtype", ToString(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + size}}};
    offset += size;
  }
  std::string json = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  json.resize((json.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = json.size();
  LATHE_ASSIGN_OR_RETURN(FileSink sink, FileSink::Create(path));
  LATHE_RETURN_IF_ERROR(sink.Write(std::as_bytes(std::span(&length, 1))));
  LATHE_RETURN_IF_ERROR(sink.Write(std::as_bytes(std::span(json))));
  const std::uint64_t begin = sink.size();
  return SafetensorsStream(std::move(sink), begin + offset);
}

Status SafetensorsStream::Commit() {
  if (sink_.size() != size_) {
    return Failure(ErrorCode::kInternal, "the file got " + std::to_string(sink_.size()) +
                                             " bytes instead of " + std::to_string(size_));
  }
  return sink_.Commit();
}

}  // namespace lathe::trainer::formats
