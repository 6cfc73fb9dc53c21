#include "worker/trainer/formats/gguf.h"

#include <array>
#include <cstring>
#include <limits>
#include <optional>

namespace lathe::trainer::formats {

/// Walks the bytes once. After the first failure `failed_` is set and every read gives zeros, so
/// that callers check once a step and not once a field.
class GgufParser {
 public:
  explicit GgufParser(Gguf& target) : target_(target), bytes_(target.file_.bytes()) {}
  Status Parse();

 private:
  enum Type : std::uint32_t {
    kUint8,
    kInt8,
    kUint16,
    kInt16,
    kUint32,
    kInt32,
    kFloat32,
    kBool,
    kString,
    kArray,
    kUint64,
    kInt64,
    kFloat64
  };
  static constexpr std::array<std::uint64_t, 13> kTypeBytes = {1, 1, 2,  2, 4, 4, 4,
                                                               1, 8, 12, 8, 8, 8};
  static constexpr std::uint32_t kMaxDimensions = 4;

  Status ReadMetadata(std::uint64_t count);
  std::optional<GgufValue> ReadValue(std::uint32_t type);
  std::optional<GgufValue> ReadArray();
  Result<TensorInfo> ReadTensorInfo(std::uint64_t& offset);
  Status ReadTensors(std::uint64_t count);

  template <class T>
  T Read() {
    T value{};
    if (failed_ || bytes_.size() - position_ < sizeof(T)) {
      failed_ = true;
      return value;
    }
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }
  std::string_view ReadString() {
    const auto length = Read<std::uint64_t>();
    if (failed_ || length > bytes_.size() - position_) {
      failed_ = true;
      return {};
    }
    const auto* begin = reinterpret_cast<const char*>(bytes_.data()) + position_;
    position_ += length;
    return {begin, length};
  }
  std::int64_t ReadInteger(std::uint32_t type);
  double ReadFloat(std::uint32_t type) {
    return type == kFloat32 ? static_cast<double>(Read<float>()) : Read<double>();
  }

  tl::unexpected<Error> Damaged(const std::string& what) const {
    return Failure(ErrorCode::kDataLoss,
                   target_.path().string() + " is not a sound GGUF file: " + what);
  }
  tl::unexpected<Error> Truncated(const std::string& where) const {
    return Damaged("it ends (or a length is wrong) in " + where);
  }

  Gguf& target_;
  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
  bool failed_ = false;
};

Status GgufParser::Parse() {
  if (bytes_.size() < 24 || std::memcmp(bytes_.data(), "GGUF", 4) != 0) {
    return Damaged("it does not begin with GGUF");
  }
  position_ = 4;
  target_.version_ = Read<std::uint32_t>();
  if (target_.version_ != 2 && target_.version_ != 3) {
    return Damaged("version " + std::to_string(target_.version_) +
                   "; versions 2 and 3 (little endian) are read");
  }
  const auto tensors = Read<std::uint64_t>();
  const auto keys = Read<std::uint64_t>();
  LATHE_RETURN_IF_ERROR(ReadMetadata(keys));
  return ReadTensors(tensors);
}

Status GgufParser::ReadMetadata(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view key = ReadString();
    const auto type = Read<std::uint32_t>();
    if (failed_) return Truncated("metadata entry " + std::to_string(i));
    auto value = ReadValue(type);
    if (failed_) return Truncated("the value of " + std::string(key));
    if (!value) return Damaged("the type of " + std::string(key) + " is unknown or out of range");
    if (!target_.metadata_.emplace(std::string(key), *std::move(value)).second) {
      return Damaged("key " + std::string(key) + " occurs twice");
    }
  }
  return {};
}

std::int64_t GgufParser::ReadInteger(std::uint32_t type) {
  switch (type) {
    case kUint8:
      return Read<std::uint8_t>();
    case kInt8:
      return Read<std::int8_t>();
    case kUint16:
      return Read<std::uint16_t>();
    case kInt16:
      return Read<std::int16_t>();
    case kUint32:
      return Read<std::uint32_t>();
    case kInt32:
      return Read<std::int32_t>();
    case kBool:
      return Read<std::uint8_t>() != 0 ? 1 : 0;
    default:
      return Read<std::int64_t>();
  }
}

std::optional<GgufValue> GgufParser::ReadValue(std::uint32_t type) {
  switch (type) {
    case kFloat32:
    case kFloat64:
      return ReadFloat(type);
    case kBool:
      return ReadInteger(type) != 0;
    case kString:
      return ReadString();
    case kArray:
      return ReadArray();
    case kUint64: {
      const auto value = Read<std::uint64_t>();
      if (value > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
      return static_cast<std::int64_t>(value);
    }
    default:
      if (type > kInt64) return std::nullopt;
      return ReadInteger(type);
  }
}

std::optional<GgufValue> GgufParser::ReadArray() {
  const auto type = Read<std::uint32_t>();
  const auto count = Read<std::uint64_t>();
  if (failed_ || type >= kTypeBytes.size() || type == kArray) return std::nullopt;
  // Before anything is allocated: that many elements cannot lie in what is left.
  if (count > (bytes_.size() - position_) / kTypeBytes[type]) {
    failed_ = true;
    return std::nullopt;
  }
  if (type == kString) {
    std::vector<std::string_view> values(count);
    for (auto& value : values) value = ReadString();
    return values;
  }
  if (type == kFloat32 || type == kFloat64) {
    std::vector<double> values(count);
    for (auto& value : values) value = ReadFloat(type);
    return values;
  }
  std::vector<std::int64_t> values(count);
  for (auto& value : values) value = ReadInteger(type);
  return values;
}

Result<TensorInfo> GgufParser::ReadTensorInfo(std::uint64_t& offset) {
  TensorInfo tensor;
  tensor.name = ReadString();
  const auto dimensions = Read<std::uint32_t>();
  if (failed_) return Truncated("the tensor table");
  if (dimensions > kMaxDimensions) {
    return Damaged("tensor " + tensor.name + " has " + std::to_string(dimensions) + " dimensions");
  }
  tensor.shape.resize(dimensions);
  for (std::uint32_t i = dimensions; i > 0; --i) {
    const auto size = Read<std::uint64_t>();
    if (size > std::numeric_limits<std::int64_t>::max()) {
      return Damaged("tensor " + tensor.name + " is too large");
    }
    tensor.shape[i - 1] = static_cast<std::int64_t>(size);
  }
  const auto type = Read<std::uint32_t>();
  offset = Read<std::uint64_t>();
  if (failed_) return Truncated("the tensor table");
  const auto dtype = FromGgmlType(type);
  if (!dtype) {
    return Failure(ErrorCode::kInvalidArgument,
                   target_.path().string() + ": tensor " + tensor.name + " has GGML type " +
                       std::to_string(type) +
                       "; F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K and Q6_K are read");
  }
  tensor.dtype = *dtype;
  return tensor;
}

Status GgufParser::ReadTensors(std::uint64_t count) {
  std::vector<std::uint64_t> offsets;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t offset = 0;
    LATHE_ASSIGN_OR_RETURN(TensorInfo tensor, ReadTensorInfo(offset));
    if (!target_.tensor_index_.emplace(tensor.name, target_.tensors_.size()).second) {
      return Damaged("tensor " + tensor.name + " occurs twice");
    }
    target_.tensors_.push_back(std::move(tensor));
    offsets.push_back(offset);
  }
  std::uint64_t alignment = 32;
  if (const auto* given = target_.FindAs<std::int64_t>("general.alignment")) {
    if (*given < 1 || *given > (1 << 20) || (*given & (*given - 1)) != 0) {
      return Damaged("general.alignment " + std::to_string(*given) + " is no power of two");
    }
    alignment = static_cast<std::uint64_t>(*given);
  }
  const std::uint64_t base = (position_ + alignment - 1) / alignment * alignment;
  const std::uint64_t data_bytes = bytes_.size() > base ? bytes_.size() - base : 0;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    TensorInfo& tensor = target_.tensors_[i];
    auto size = ByteSize(tensor.dtype, tensor.shape);
    if (!size) return Damaged("tensor " + tensor.name + ": " + size.error().message);
    if (offsets[i] % alignment != 0 || offsets[i] > data_bytes || *size > data_bytes - offsets[i]) {
      return Damaged("tensor " + tensor.name + " lies at byte " + std::to_string(offsets[i]) +
                     " with " + std::to_string(*size) + " bytes, the data has " +
                     std::to_string(data_bytes) + "; is the file truncated?");
    }
    tensor.data =
        *size == 0 ? std::span<const std::byte>() : bytes_.subspan(base + offsets[i], *size);
  }
  return {};
}

Result<Gguf> Gguf::Open(const std::filesystem::path& path) {
  LATHE_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  Gguf gguf(std::move(file));
  LATHE_RETURN_IF_ERROR(GgufParser(gguf).Parse());
  return gguf;
}

const GgufValue* Gguf::Find(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

Result<std::int64_t> Gguf::Integer(std::string_view key) const {
  if (const auto* value = FindAs<std::int64_t>(key)) return *value;
  return Failure(ErrorCode::kDataLoss,
                 path().string() + " has no integer " + std::string(key) + " in its metadata");
}

Result<double> Gguf::Number(std::string_view key) const {
  if (const auto* value = FindAs<double>(key)) return *value;
  if (const auto* value = FindAs<std::int64_t>(key)) return static_cast<double>(*value);
  return Failure(ErrorCode::kDataLoss,
                 path().string() + " has no number " + std::string(key) + " in its metadata");
}

Result<std::string_view> Gguf::String(std::string_view key) const {
  if (const auto* value = FindAs<std::string_view>(key)) return *value;
  return Failure(ErrorCode::kDataLoss,
                 path().string() + " has no string " + std::string(key) + " in its metadata");
}

const TensorInfo* Gguf::FindTensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace lathe::trainer::formats
