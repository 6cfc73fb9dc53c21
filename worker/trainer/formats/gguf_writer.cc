#include "worker/trainer/formats/gguf_writer.h"

#include <algorithm>
#include <cstring>

#include "worker/trainer/formats/mapped_file.h"

namespace lathe::trainer::formats {
namespace {

constexpr std::uint64_t kAlignment = 32;

enum ValueType : std::uint32_t {
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
};
/// Bytes of a value by its type; 0: its length is in it.
constexpr std::uint64_t kValueBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

template <class T>
void Append(std::string& bytes, T value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  bytes.append(raw, sizeof value);
}

void AppendText(std::string& bytes, std::string_view text) {
  Append<std::uint64_t>(bytes, text.size());
  bytes.append(text);
}

std::string ArrayOf(ValueType type, std::size_t count) {
  std::string bytes;
  Append<std::uint32_t>(bytes, kArray);
  Append<std::uint32_t>(bytes, type);
  Append<std::uint64_t>(bytes, count);
  return bytes;
}

/// Walks over a file's metadata without understanding the values.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  T Take() {
    T value{};
    if (Skip(sizeof value)) std::memcpy(&value, bytes_.data() + at_ - sizeof value, sizeof value);
    return value;
  }
  bool Skip(std::uint64_t count) {
    good_ = good_ && count <= bytes_.size() - at_;
    if (good_) at_ += count;
    return good_;
  }
  std::string TakeText() {
    const auto length = Take<std::uint64_t>();
    const std::size_t begin = at_;
    return Skip(length) ? Between(begin) : std::string();
  }
  void SkipValue(std::uint32_t type) {
    if (type >= std::size(kValueBytes)) {
      good_ = false;
    } else if (type == kString) {
      Skip(Take<std::uint64_t>());
    } else if (type == kArray) {
      SkipArray();
    } else {
      Skip(kValueBytes[type]);
    }
  }
  /// The bytes from `begin` to here.
  std::string Between(std::size_t begin) const {
    return {reinterpret_cast<const char*>(bytes_.data()) + begin, at_ - begin};
  }
  std::size_t at() const { return at_; }
  bool good() const { return good_; }

 private:
  void SkipArray() {
    const auto type = Take<std::uint32_t>();
    const auto count = Take<std::uint64_t>();
    if (type != kString) {
      const std::uint64_t width = type < std::size(kValueBytes) ? kValueBytes[type] : 0;
      good_ = good_ && width > 0 && count <= bytes_.size() / width;
      Skip(count * width);
      return;
    }
    for (std::uint64_t i = 0; good_ && i < count; ++i) Skip(Take<std::uint64_t>());
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool good_ = true;
};

std::uint64_t Aligned(std::uint64_t offset) {
  return (offset + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

Result<GgufMetadata> GgufMetadata::Of(const std::filesystem::path& path) {
  LATHE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  Cursor cursor(file.bytes());
  cursor.Skip(2 * sizeof(std::uint32_t) + sizeof(std::uint64_t));  // Magic, version, tensors.
  const auto count = cursor.Take<std::uint64_t>();
  GgufMetadata metadata;
  for (std::uint64_t i = 0; cursor.good() && i < count; ++i) {
    std::string key = cursor.TakeText();
    const std::size_t begin = cursor.at();
    cursor.SkipValue(cursor.Take<std::uint32_t>());
    metadata.entries_.push_back({std::move(key), cursor.Between(begin)});
  }
  if (!cursor.good()) return Failure(ErrorCode::kDataLoss, path.string() + ": metadata is damaged");
  return metadata;
}

void GgufMetadata::Set(const std::string& key, std::string bytes) {
  for (Entry& entry : entries_) {
    if (entry.key != key) continue;
    entry.bytes = std::move(bytes);
    return;
  }
  entries_.push_back({key, std::move(bytes)});
}

void GgufMetadata::SetInteger(const std::string& key, std::uint32_t value) {
  std::string bytes;
  Append<std::uint32_t>(bytes, kUint32);
  Append(bytes, value);
  Set(key, std::move(bytes));
}

void GgufMetadata::SetNumber(const std::string& key, float value) {
  std::string bytes;
  Append<std::uint32_t>(bytes, kFloat32);
  Append(bytes, value);
  Set(key, std::move(bytes));
}

void GgufMetadata::SetFlag(const std::string& key, bool value) {
  std::string bytes;
  Append<std::uint32_t>(bytes, kBool);
  Append<std::uint8_t>(bytes, value ? 1 : 0);
  Set(key, std::move(bytes));
}

void GgufMetadata::SetText(const std::string& key, std::string_view value) {
  std::string bytes;
  Append<std::uint32_t>(bytes, kString);
  AppendText(bytes, value);
  Set(key, std::move(bytes));
}

void GgufMetadata::SetTexts(const std::string& key, std::span<const std::string> values) {
  std::string bytes = ArrayOf(kString, values.size());
  for (const std::string& value : values) AppendText(bytes, value);
  Set(key, std::move(bytes));
}

void GgufMetadata::SetNumbers(const std::string& key, std::span<const float> values) {
  std::string bytes = ArrayOf(kFloat32, values.size());
  for (const float value : values) Append(bytes, value);
  Set(key, std::move(bytes));
}

void GgufMetadata::SetIntegers(const std::string& key, std::span<const std::int32_t> values) {
  std::string bytes = ArrayOf(kInt32, values.size());
  for (const std::int32_t value : values) Append(bytes, value);
  Set(key, std::move(bytes));
}

void GgufMetadata::Remove(std::string_view key) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.key == key; });
}

Result<GgufWriter> GgufWriter::Create(const std::filesystem::path& path,
                                      const GgufMetadata& metadata,
                                      std::span<const TensorSpec> tensors) {
  std::string header("GGUF");
  Append<std::uint32_t>(header, 3);
  Append<std::uint64_t>(header, tensors.size());
  Append<std::uint64_t>(header, metadata.entries().size());
  for (const GgufMetadata::Entry& entry : metadata.entries()) {
    AppendText(header, entry.key);
    header += entry.bytes;
  }
  std::vector<std::uint64_t> sizes;
  std::uint64_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    LATHE_ASSIGN_OR_RETURN(const std::uint64_t size, ByteSize(tensor.dtype, tensor.shape));
    const std::int32_t type = InfoOf(tensor.dtype).ggml_type;
    if (type < 0 || tensor.shape.empty()) {
      return Failure(ErrorCode::kInvalidArgument, "tensor " + tensor.name + " of type " +
                                                      std::string(ToString(tensor.dtype)) +
                                                      " cannot be in a GGUF file");
    }
    AppendText(header, tensor.name);
    Append<std::uint32_t>(header, static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto size_of = tensor.shape.rbegin(); size_of != tensor.shape.rend(); ++size_of) {
      Append<std::uint64_t>(header, static_cast<std::uint64_t>(*size_of));
    }
    Append<std::uint32_t>(header, static_cast<std::uint32_t>(type));
    Append<std::uint64_t>(header, offset);
    offset = Aligned(offset + size);
    sizes.push_back(size);
  }
  header.resize(Aligned(header.size()), '\0');
  LATHE_ASSIGN_OR_RETURN(FileSink sink, FileSink::Create(path));
  LATHE_RETURN_IF_ERROR(sink.Write(std::as_bytes(std::span(header))));
  return GgufWriter(std::move(sink), std::move(sizes));
}

Status GgufWriter::EndTensor() {
  if (sink_.size() - begin_ != sizes_[current_]) {
    return Failure(ErrorCode::kInternal, "a tensor got " + std::to_string(sink_.size() - begin_) +
                                             " bytes instead of " +
                                             std::to_string(sizes_[current_]));
  }
  ++current_;
  const std::byte zeros[kAlignment] = {};
  begin_ = Aligned(sink_.size());
  return sink_.Write(std::span(zeros).first(begin_ - sink_.size()));
}

}  // namespace lathe::trainer::formats
