#include "worker/trainer/formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "common/base/file_io.h"

namespace lathe::trainer::formats {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  ///< the format's own limit

Error Damaged(const fs::path& path, const std::string& what) {
  return {ErrorCode::kDataLoss, path.string() + " is not a sound safetensors file: " + what, {}};
}

/// JSON's own parser takes the last of two equal keys; this refuses them instead.
class UniqueKeys {
 public:
  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    if (event != json::parse_event_t::key) return true;
    if (depth == 1 && !names_.insert(parsed.get<std::string>()).second) {
      duplicate_ = parsed.get<std::string>();
    }
    return true;
  }
  const std::string& duplicate() const { return duplicate_; }

 private:
  std::set<std::string> names_;
  std::string duplicate_;
};

Result<json> ParseHeader(const fs::path& path, std::span<const std::byte> bytes) {
  std::uint64_t length = 0;
  if (bytes.size() < sizeof length) return Failure(Damaged(path, "shorter than 8 bytes"));
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > kMaxHeaderBytes || length > bytes.size() - sizeof length) {
    return Failure(Damaged(path, "a header of " + std::to_string(length) + " bytes in a file of " +
                                     std::to_string(bytes.size())));
  }
  const char* begin = reinterpret_cast<const char*>(bytes.data()) + sizeof length;
  if (length == 0 || *begin != '{') return Failure(Damaged(path, "the header is no JSON object"));
  UniqueKeys unique;
  json header = json::parse(begin, begin + length, std::ref(unique), false);
  if (header.is_discarded() || !header.is_object()) {
    return Failure(Damaged(path, "the header is no JSON object"));
  }
  if (!unique.duplicate().empty()) {
    return Failure(Damaged(path, "tensor " + unique.duplicate() + " occurs twice"));
  }
  return header;
}

struct Located {
  TensorInfo tensor;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Everything of one entry but its place in the file.
Result<Located> ParseEntry(const std::string& name, const json& entry) {
  const auto bad = [&](const std::string& what) {
    return Failure(ErrorCode::kDataLoss, "tensor " + name + ": " + what);
  };
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
      !entry.contains("shape") || !entry["shape"].is_array() || !entry.contains("data_offsets") ||
      !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2) {
    return bad("needs dtype, shape and data_offsets");
  }
  Located located;
  located.tensor.name = name;
  const auto dtype = FromSafetensorsName(entry["dtype"].get_ref<const std::string&>());
  if (!dtype) return bad("unknown dtype " + entry["dtype"].dump());
  located.tensor.dtype = *dtype;
  for (const json& dimension : entry["shape"]) {
    if (!dimension.is_number_unsigned() || dimension.get<std::uint64_t>() > INT64_MAX) {
      return bad("shape " + entry["shape"].dump());
    }
    located.tensor.shape.push_back(dimension.get<std::int64_t>());
  }
  const json& offsets = entry["data_offsets"];
  if (!offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) {
    return bad("data_offsets " + offsets.dump());
  }
  located.begin = offsets[0].get<std::uint64_t>();
  located.end = offsets[1].get<std::uint64_t>();
  auto size = ByteSize(located.tensor.dtype, located.tensor.shape);
  if (!size) return bad(size.error().message);
  if (located.end < located.begin || located.end - located.begin != *size) {
    return bad("data_offsets " + offsets.dump() + " where its shape takes " +
               std::to_string(*size) + " bytes");
  }
  return located;
}

/// The format allows neither gap nor overlap: in the order of offsets each begins where the last
/// ended, and the last ends with the file.
Status CheckTiling(const fs::path& path, std::vector<Located>& entries, std::uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const Located& a, const Located& b) {
    return std::tie(a.begin, a.end, a.tensor.name) < std::tie(b.begin, b.end, b.tensor.name);
  });
  std::uint64_t expected = 0;
  for (const Located& entry : entries) {
    if (entry.begin != expected) {
      return Failure(Damaged(path, "tensor " + entry.tensor.name + " begins at byte " +
                                       std::to_string(entry.begin) + ", not at " +
                                       std::to_string(expected)));
    }
    if (entry.end > data_bytes) {
      return Failure(Damaged(path, "tensor " + entry.tensor.name + " ends at byte " +
                                       std::to_string(entry.end) + " of " +
                                       std::to_string(data_bytes) + "; is the file truncated?"));
    }
    expected = entry.end;
  }
  if (expected != data_bytes) {
    return Failure(
        Damaged(path, std::to_string(data_bytes - expected) + " bytes belong to no tensor"));
  }
  return {};
}

Result<SafetensorsMetadata> ParseMetadata(const fs::path& path, const json& header) {
  SafetensorsMetadata metadata;
  const auto found = header.find("__metadata__");
  if (found == header.end()) return metadata;
  if (!found->is_object()) return Failure(Damaged(path, "__metadata__ is no object"));
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) return Failure(Damaged(path, "__metadata__." + key + " is no string"));
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

/// The shards that an index names, each once.
Result<std::vector<fs::path>> ShardsOf(const fs::path& folder, const fs::path& index) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(index));
  const json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("weight_map") || !parsed["weight_map"].is_object()) {
    return Failure(ErrorCode::kDataLoss, index.string() + " has no weight_map object");
  }
  std::set<std::string> names;
  for (const auto& [tensor, file] : parsed["weight_map"].items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || fs::path(name).filename() != name || name == "..") {
      return Failure(ErrorCode::kDataLoss, index.string() + ": the file of " + tensor +
                                               " must be a name in the same folder, not " +
                                               file.dump());
    }
    names.insert(name);
  }
  std::vector<fs::path> shards;
  for (const std::string& name : names) shards.push_back(folder / name);
  return shards;
}

}  // namespace

Result<Safetensors> Safetensors::OpenFile(const fs::path& path) {
  LATHE_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  LATHE_ASSIGN_OR_RETURN(const json header, ParseHeader(path, file.bytes()));
  Safetensors opened;
  LATHE_ASSIGN_OR_RETURN(opened.metadata_, ParseMetadata(path, header));
  std::vector<Located> entries;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    auto parsed = ParseEntry(name, entry);
    if (!parsed) return Failure(Damaged(path, parsed.error().message));
    entries.push_back(*std::move(parsed));
  }
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.bytes().data(), sizeof header_bytes);
  const auto data = file.bytes().subspan(sizeof header_bytes + header_bytes);
  LATHE_RETURN_IF_ERROR(CheckTiling(path, entries, data.size()));
  for (Located& entry : entries) {
    entry.tensor.data = data.subspan(entry.begin, entry.end - entry.begin);
    opened.tensors_.push_back(std::move(entry.tensor));
  }
  std::sort(opened.tensors_.begin(), opened.tensors_.end(),
            [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  opened.files_.push_back(std::move(file));
  return opened;
}

Result<Safetensors> Safetensors::OpenFolder(const fs::path& folder) {
  const fs::path index = folder / "model.safetensors.index.json";
  std::error_code error;
  if (!fs::exists(index, error)) return OpenFile(folder / "model.safetensors");
  LATHE_ASSIGN_OR_RETURN(const std::vector<fs::path> shards, ShardsOf(folder, index));
  Safetensors all;
  for (const fs::path& shard : shards) {
    LATHE_ASSIGN_OR_RETURN(Safetensors part, OpenFile(shard));
    if (all.metadata_.empty()) all.metadata_ = std::move(part.metadata_);
    std::move(part.files_.begin(), part.files_.end(), std::back_inserter(all.files_));
    std::move(part.tensors_.begin(), part.tensors_.end(), std::back_inserter(all.tensors_));
  }
  const auto by_name = [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; };
  std::sort(all.tensors_.begin(), all.tensors_.end(), by_name);
  const auto twice =
      std::adjacent_find(all.tensors_.begin(), all.tensors_.end(),
                         [](const TensorInfo& a, const TensorInfo& b) { return a.name == b.name; });
  if (twice != all.tensors_.end()) {
    return Failure(ErrorCode::kDataLoss,
                   folder.string() + ": tensor " + twice->name + " lies in two shards");
  }
  return all;
}

const TensorInfo* Safetensors::Find(std::string_view name) const {
  const auto found =
      std::lower_bound(tensors_.begin(), tensors_.end(), name,
                       [](const TensorInfo& a, std::string_view b) { return a.name < b; });
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

}  // namespace lathe::trainer::formats
