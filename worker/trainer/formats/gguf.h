#pragma once
// Reads GGUF version 2 and 3 files (little endian): typed metadata and tensors in one mapped file.
// Everything is checked on opening: counts and lengths against the bytes that are there, names
// given twice, types, alignment and bounds of tensors. Damage is kDataLoss and names the file and
// what is wrong; a type that this program does not read is kInvalidArgument. Immutable after
// opening. Strings and tensor data point into the mapping and live as long as the object.
//
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/formats/dtype.h"
#include "worker/trainer/formats/mapped_file.h"

namespace lathe::trainer::formats {

/// Integers of all widths are int64, floats double, arrays of bool arrays of 0 and 1.
using GgufValue =
    std::variant<std::int64_t, double, bool, std::string_view, std::vector<std::int64_t>,
                 std::vector<double>, std::vector<std::string_view>>;

class Gguf {
 public:
  static Result<Gguf> Open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  std::uint32_t version() const { return version_; }

  /// nullptr when the key is missing.
  const GgufValue* Find(std::string_view key) const;
  /// The value of a key as T, one of GgufValue's alternatives; nullptr when it is missing or of
  /// another type.
  template <class T>
  const T* FindAs(std::string_view key) const {
    const GgufValue* value = Find(key);
    return value == nullptr ? nullptr : std::get_if<T>(value);
  }
  /// The same for a key that must be there: kDataLoss names file, key and expected type.
  Result<std::int64_t> Integer(std::string_view key) const;
  /// Also takes an integer.
  Result<double> Number(std::string_view key) const;
  Result<std::string_view> String(std::string_view key) const;

  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }

  /// In the order of the file. Shapes are row-major: GGUF's dimensions reversed.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const TensorInfo* FindTensor(std::string_view name) const;

 private:
  friend class GgufParser;
  explicit Gguf(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
  std::uint32_t version_ = 0;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::size_t, std::less<>> tensor_index_;
};

}  // namespace lathe::trainer::formats
