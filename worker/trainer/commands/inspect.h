#pragma once
// `lathe-trainer inspect PATH`: what is in a model, an adapter, a checkpoint or a single file of
// tensors, without loading any of it.

#include <filesystem>
#include <iosfwd>

namespace lathe::trainer::commands {

struct InspectArguments {
  std::filesystem::path path;
  bool json = false;
  bool tensors = false;  ///< every tensor too, not just their number
};

/// Writes text, or one JSON object: {kind, model?, tensors: {count, bytes, dtypes}, ...}.
int RunInspect(const InspectArguments& arguments, std::ostream& out);

}  // namespace lathe::trainer::commands
