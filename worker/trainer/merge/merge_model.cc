#include "worker/trainer/merge/merge_model.h"

#include "worker/trainer/merge/writers.h"

namespace lathe::trainer::merge {

Status MergeModel(const MergeOptions& options) {
  std::error_code ignored;
  if (!std::filesystem::exists(options.model, ignored)) {
    return Failure(ErrorCode::kNotFound, "model " + options.model.string() + " does not exist");
  }
  if (std::filesystem::exists(options.output, ignored)) {
    return Failure(ErrorCode::kAlreadyExists,
                   options.output.string() + " exists; give a new name or remove it");
  }
  LATHE_ASSIGN_OR_RETURN(const auto merged, adapters::MergedWeights::Open(options.adapter));
  LATHE_ASSIGN_OR_RETURN(const auto source, model::ModelFile::Open(options.model));
  return options.format == "gguf" ? WriteGguf(options, source, merged)
                                  : WriteFolder(options, source, merged);
}

}  // namespace lathe::trainer::merge
