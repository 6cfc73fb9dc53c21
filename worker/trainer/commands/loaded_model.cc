#include "worker/trainer/commands/loaded_model.h"

#include <algorithm>

#include "worker/trainer/adapters/load.h"

namespace lathe::trainer::commands {

Result<LoadedModel> LoadModel(const std::filesystem::path& model,
                              const std::vector<std::filesystem::path>& adapters,
                              model::LoadOptions options) {
  LoadedModel loaded;
  std::int64_t positions = 0;
  for (const std::filesystem::path& adapter : adapters) {
    LATHE_ASSIGN_OR_RETURN(const auto kind, adapters::KindOf(adapter));
    if (kind == adapters::SavedKind::kModel) {
      if (adapters.size() > 1) {
        return Failure(ErrorCode::kInvalidArgument,
                       adapter.string() +
                           " is a whole model, which takes the base's place: it cannot be used "
                           "beside other adapters; give it as the model");
      }
      LATHE_ASSIGN_OR_RETURN(loaded.decoder, model::LoadDecoder(adapter, options));
      loaded.additions.resize(1);  // Nothing.
      loaded.replaced = true;
      return loaded;
    }
    LATHE_ASSIGN_OR_RETURN(const std::int64_t taken, adapters::PositionsOf(adapter));
    positions = std::max(positions, taken);
  }
  options.max_positions += positions;
  LATHE_ASSIGN_OR_RETURN(loaded.decoder, model::LoadDecoder(model, options));
  for (const std::filesystem::path& adapter : adapters) {
    auto additions = adapters::LoadAdditions(loaded.decoder, adapter);
    if (!additions && adapters.size() > 1) {
      return Failure(additions.error().WithContext(adapter.string()));
    }
    if (!additions) return Failure(additions.error());
    loaded.additions.push_back(*std::move(additions));
  }
  return loaded;
}

}  // namespace lathe::trainer::commands
