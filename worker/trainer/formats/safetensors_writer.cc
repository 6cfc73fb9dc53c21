#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "common/base/file_io.h"
#include "common/base/unique_fd.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::trainer::formats {
namespace {

namespace fs = std::filesystem;

Status CheckTensor(const TensorInfo& tensor) {
  if (!InfoOf(tensor.dtype).in_safetensors) {
    return Failure(ErrorCode::kInvalidArgument, "tensor " + tensor.name + ": safetensors has no " +
                                                    std::string(ToString(tensor.dtype)));
  }
  LATHE_ASSIGN_OR_RETURN(const std::uint64_t size, ByteSize(tensor.dtype, tensor.shape));
  if (size != tensor.data.size()) {
    return Failure(ErrorCode::kInvalidArgument, "tensor " + tensor.name + " of shape " +
                                                    ShapeToString(tensor.shape) + " needs " +
                                                    std::to_string(size) + " bytes, not " +
                                                    std::to_string(tensor.data.size()));
  }
  return {};
}

/// Wide types first keeps every tensor aligned to its element size.
Result<std::vector<const TensorInfo*>> Ordered(std::span<const TensorInfo> tensors) {
  std::vector<const TensorInfo*> ordered;
  std::vector<std::string_view> names;
  for (const TensorInfo& tensor : tensors) {
    LATHE_RETURN_IF_ERROR(CheckTensor(tensor));
    ordered.push_back(&tensor);
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    return Failure(ErrorCode::kInvalidArgument,
                   "tensor " + std::string(*twice) + " is given twice");
  }
  std::sort(ordered.begin(), ordered.end(), [](const TensorInfo* a, const TensorInfo* b) {
    const std::uint32_t width_a = InfoOf(a->dtype).block_bytes;
    const std::uint32_t width_b = InfoOf(b->dtype).block_bytes;
    return width_a != width_b ? width_a > width_b : a->name < b->name;
  });
  return ordered;
}

Result<std::string> HeaderOf(const std::vector<const TensorInfo*>& tensors,
                             const SafetensorsMetadata& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const TensorInfo* tensor : tensors) {
    header[tensor->name] = {{"dtype", ToString(tensor->dtype)},
                            {"shape", tensor->shape},
                            {"data_offsets", {offset, offset + tensor->data.size()}}};
    offset += tensor->data.size();
  }
  std::string json;
  try {
    json = header.dump();
  } catch (const nlohmann::json::exception&) {
    return Failure(ErrorCode::kInvalidArgument, "a tensor name or metadata text is not UTF-8");
  }
  json.resize((json.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = json.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + json;
}

Status WriteAll(const UniqueFd& fd, const fs::path& path, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failure(FileError("write", path, errno));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Status WriteDurably(const fs::path& temporary, const std::string& header,
                    const std::vector<const TensorInfo*>& tensors) {
  const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return Failure(FileError("create", temporary, errno));
  LATHE_RETURN_IF_ERROR(WriteAll(fd, temporary, std::as_bytes(std::span(header))));
  for (const TensorInfo* tensor : tensors) {
    LATHE_RETURN_IF_ERROR(WriteAll(fd, temporary, tensor->data));
  }
  if (::fsync(fd.get()) != 0) return Failure(FileError("sync", temporary, errno));
  return {};
}

}  // namespace

Status WriteSafetensors(const fs::path& path, std::span<const TensorInfo> tensors,
                        const SafetensorsMetadata& metadata) {
  LATHE_ASSIGN_OR_RETURN(const auto ordered, Ordered(tensors));
  LATHE_ASSIGN_OR_RETURN(const std::string header, HeaderOf(ordered, metadata));
  const fs::path temporary = path.string() + ".tmp-" + std::to_string(::getpid());
  Status written = WriteDurably(temporary, header, ordered);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
    written = Failure(FileError("rename", temporary, errno));
  }
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  return SyncFolder(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

}  // namespace lathe::trainer::formats
