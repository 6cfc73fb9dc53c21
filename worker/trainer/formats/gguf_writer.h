#pragma once
// Writes GGUF version 3 files (little endian), tensor by tensor. Metadata entries are kept as the
// bytes that they are in a file, so that those of another file can be taken over unchanged.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/formats/file_sink.h"
#include "worker/trainer/formats/tensor_spec.h"

namespace lathe::trainer::formats {

class GgufMetadata {
 public:
  /// All entries of a file that Gguf::Open takes, in its order.
  static Result<GgufMetadata> Of(const std::filesystem::path& path);

  /// Replace an entry of the same key, else append.
  void SetInteger(const std::string& key, std::uint32_t value);
  void SetNumber(const std::string& key, float value);
  void SetFlag(const std::string& key, bool value);
  void SetText(const std::string& key, std::string_view value);
  void SetTexts(const std::string& key, std::span<const std::string> values);
  void SetNumbers(const std::string& key, std::span<const float> values);
  void SetIntegers(const std::string& key, std::span<const std::int32_t> values);
  void Remove(std::string_view key);

  struct Entry {
    std::string key;
    std::string bytes;  ///< type and value, as in the file
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  void Set(const std::string& key, std::string bytes);
  std::vector<Entry> entries_;
};

/// Takes the tensors' bytes in the order in which they were announced.
class GgufWriter {
 public:
  /// Writes the header. kInvalidArgument for a type or shape that GGUF cannot have.
  static Result<GgufWriter> Create(const std::filesystem::path& path, const GgufMetadata& metadata,
                                   std::span<const TensorSpec> tensors);

  Status Write(std::span<const std::byte> bytes) { return sink_.Write(bytes); }
  /// Ends the current tensor: kInternal when it has not got exactly its bytes.
  Status EndTensor();
  Status Commit() { return sink_.Commit(); }

 private:
  GgufWriter(FileSink sink, std::vector<std::uint64_t> sizes)
      : sink_(std::move(sink)), sizes_(std::move(sizes)), begin_(sink_.size()) {}
  FileSink sink_;
  std::vector<std::uint64_t> sizes_;
  std::size_t current_ = 0;
  std::uint64_t begin_;  ///< of the current tensor
};

}  // namespace lathe::trainer::formats
