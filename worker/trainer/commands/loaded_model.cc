#include "worker/trainer/commands/loaded_model.h"

#include <algorithm>

#include "worker/trainer/commands/collected_errors.h"

namespace lathe::trainer::commands {
namespace {

using adapters::SavedKind;
using Folders = std::vector<std::filesystem::path>;

/// The positions that all adapters take together; of a whole model beside others an error.
Result<std::int64_t> PositionsOf(const Folders& folders) {
  CollectedErrors errors;
  std::int64_t positions = 0;
  for (std::size_t i = 0; i < folders.size(); ++i) {
    const std::string name = folders[i].string();
    const auto kind = adapters::KindOf(folders[i]);
    if (!kind) {
      errors.Add(name, kind.error());
      continue;
    }
    if (kind == SavedKind::kModel) {
      const std::string other = folders[i == 0 ? 1 : 0].string();
      errors.Add(name, {ErrorCode::kInvalidArgument,
                        name +
                            " is a whole model, which takes the base's place: it cannot be used "
                            "beside " +
                            other + "; give it as the model",
                        {},
                        {}});
      continue;
    }
    const auto taken = adapters::PositionsOf(folders[i]);
    if (!taken) errors.Add(name, taken.error());
    positions += taken.value_or(0);
  }
  LATHE_RETURN_IF_ERROR(std::move(errors).Take());
  return positions;
}

}  // namespace

Result<LoadedModel> LoadModel(const std::filesystem::path& model, const Folders& folders,
                              model::LoadOptions options) {
  LoadedModel loaded;
  if (folders.size() == 1) {
    LATHE_ASSIGN_OR_RETURN(const SavedKind kind, adapters::KindOf(folders[0]));
    if (kind == SavedKind::kModel) {
      LATHE_ASSIGN_OR_RETURN(loaded.decoder, model::LoadDecoder(folders[0], options));
      loaded.adapters.push_back({.kind = kind, .additions = {}, .lora = {}});
      loaded.replaced = true;
      return loaded;
    }
  }
  LATHE_ASSIGN_OR_RETURN(const std::int64_t positions, PositionsOf(folders));
  options.max_positions += positions;
  LATHE_ASSIGN_OR_RETURN(loaded.decoder, model::LoadDecoder(model, options));
  CollectedErrors errors;
  for (const std::filesystem::path& folder : folders) {
    auto adapter = adapters::LoadAdapter(loaded.decoder, folder);
    if (adapter) {
      loaded.adapters.push_back(*std::move(adapter));
    } else if (folders.size() > 1) {
      errors.Add(folder.string(), adapter.error().WithContext(folder.string()));
    } else {
      return Failure(adapter.error());
    }
  }
  LATHE_RETURN_IF_ERROR(std::move(errors).Take());
  return loaded;
}

}  // namespace lathe::trainer::commands
