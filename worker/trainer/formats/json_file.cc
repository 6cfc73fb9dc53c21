#include "worker/trainer/formats/json_file.h"

#include <nlohmann/json.hpp>

#include "common/base/file_io.h"

namespace lathe::trainer::formats {

Result<nlohmann::json> ReadJsonObject(const std::filesystem::path& path) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_object()) return json;
  return Failure(ErrorCode::kInvalidArgument, path.string() + ": not a JSON object");
}

}  // namespace lathe::trainer::formats
