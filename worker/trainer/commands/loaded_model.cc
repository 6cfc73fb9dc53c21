#include "worker/trainer/commands/loaded_model.h"

#include "worker/trainer/adapters/load.h"

namespace lathe::trainer::commands {

Result<LoadedModel> LoadModel(const std::filesystem::path& model,
                              const std::optional<std::filesystem::path>& adapter,
                              model::LoadOptions options) {
  LoadedModel loaded;
  std::filesystem::path base = model;
  bool is_adapter = false;
  if (adapter) {
    LATHE_ASSIGN_OR_RETURN(const auto kind, adapters::KindOf(*adapter));
    is_adapter = kind != adapters::SavedKind::kModel;
    if (!is_adapter) base = *adapter;
  }
  if (is_adapter) {
    LATHE_ASSIGN_OR_RETURN(const std::int64_t positions, adapters::PositionsOf(*adapter));
    options.max_positions += positions;
  }
  LATHE_ASSIGN_OR_RETURN(loaded.decoder, model::LoadDecoder(base, options));
  if (is_adapter) {
    LATHE_ASSIGN_OR_RETURN(loaded.additions, adapters::LoadAdditions(loaded.decoder, *adapter));
  }
  return loaded;
}

}  // namespace lathe::trainer::commands
