#include "worker/trainer/adapters/load.h"

#include <nlohmann/json.hpp>

#include "worker/trainer/adapters/bottleneck.h"
#include "worker/trainer/adapters/peft.h"
#include "worker/trainer/adapters/peft_names.h"
#include "worker/trainer/adapters/prefix.h"
#include "worker/trainer/formats/json_file.h"

namespace lathe::trainer::adapters {

using Json = nlohmann::json;

Result<SavedKind> KindOf(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kConfigFile;
  std::error_code error;
  if (!std::filesystem::exists(path, error) &&
      std::filesystem::exists(folder / "config.json", error)) {
    return SavedKind::kModel;
  }
  LATHE_ASSIGN_OR_RETURN(const Json config, formats::ReadJsonObject(path));
  const auto fail = [&](const std::string& message) {
    return Failure(ErrorCode::kInvalidArgument, path.string() + ": " + message);
  };
  const Json type = config.value("peft_type", Json());
  if (type == "LORA") return SavedKind::kLora;
  if (type == "PREFIX_TUNING") return SavedKind::kPrefix;
  if (!type.is_null()) {
    return fail("peft_type is " + type.dump() + "; \"LORA\" and \"PREFIX_TUNING\" are supported");
  }
  const Json inner = config.value("config", Json());
  if (inner.is_object() && inner.value("architecture", Json()).is_null()) {
    return SavedKind::kBottleneck;
  }
  return fail("is of no kind that is known: neither PEFT's nor AdapterHub's");
}

Result<std::int64_t> PositionsOf(const std::filesystem::path& folder) {
  LATHE_ASSIGN_OR_RETURN(const SavedKind kind, KindOf(folder));
  return kind == SavedKind::kPrefix ? ReadPrefixLength(folder) : Result<std::int64_t>(0);
}

Result<SavedAdapter> LoadAdapter(const model::Decoder& decoder,
                                 const std::filesystem::path& folder) {
  SavedAdapter adapter;
  LATHE_ASSIGN_OR_RETURN(adapter.kind, KindOf(folder));
  switch (adapter.kind) {
    case SavedKind::kPrefix: {
      LATHE_ASSIGN_OR_RETURN(adapter.additions, LoadPrefix(decoder, folder));
      return adapter;
    }
    case SavedKind::kBottleneck: {
      LATHE_ASSIGN_OR_RETURN(adapter.additions, LoadBottleneck(decoder, folder));
      return adapter;
    }
    case SavedKind::kModel:
      return Failure(ErrorCode::kInvalidArgument,
                     folder.string() + " is a model, not an adapter of one");
    case SavedKind::kLora:
      break;
  }
  LATHE_ASSIGN_OR_RETURN(adapter.lora, LoadPeft(decoder, folder, Purpose::kInference));
  adapter.additions = ToTrainable(*adapter.lora).additions;
  return adapter;
}

}  // namespace lathe::trainer::adapters
