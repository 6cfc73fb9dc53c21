#include "worker/trainer/merge/merge_model.h"

#include "worker/trainer/merge/writers.h"

namespace lathe::trainer::merge {

Result<Notes> MergeModel(const MergeOptions& options) {
  std::error_code ignored;
  if (!std::filesystem::exists(options.model, ignored)) {
    return Failure(ErrorCode::kNotFound, "model " + options.model.string() + " does not exist");
  }
  if (std::filesystem::exists(options.output, ignored)) {
    return Failure(ErrorCode::kAlreadyExists,
                   options.output.string() + " exists; give a new name or remove it");
  }
  adapters::MergedWeights merged;  // Of nothing.
  if (options.adapter) {
    LATHE_ASSIGN_OR_RETURN(merged, adapters::MergedWeights::Open(*options.adapter));
  }
  LATHE_ASSIGN_OR_RETURN(const auto source, model::ModelFile::Open(options.model));
  if (options.format == "gguf") return WriteGguf(options, source, merged);
  LATHE_RETURN_IF_ERROR(WriteFolder(options, source, merged));
  return Notes();
}

}  // namespace lathe::trainer::merge
