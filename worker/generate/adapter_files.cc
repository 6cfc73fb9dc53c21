#include "worker/generate/adapter_files.h"

#include <nlohmann/json.hpp>

#include "common/base/file_io.h"
#include "common/composition/composition_text.h"
#include "common/json/parse_json.h"

namespace lathe::worker::generate {
namespace {

namespace fs = std::filesystem;

Result<composition::Method> MethodOf(const v1::Composition& composition) {
  switch (composition.method()) {
    case v1::COMPOSITION_METHOD_ADDITIVE:
      return composition::Method::kAdditive;
    case v1::COMPOSITION_METHOD_GATED:
      return composition::Method::kGated;
    case v1::COMPOSITION_METHOD_SEQUENTIAL:
      return composition::Method::kSequential;
    default:
      return Failure(ErrorCode::kInvalidArgument,
                     "this node's lathe-worker does not know composition method " +
                         std::to_string(composition.method()));
  }
}

composition::Weights WeightsOf(const v1::ComposedAdapter& adapter) {
  if (adapter.has_weight()) return {{adapter.weight()}, adapter.weight()};
  composition::Weights weights;
  if (adapter.weights_size() > 0) {
    weights.layers.assign(adapter.weights().begin(), adapter.weights().end());
  }
  if (adapter.has_head_weight()) weights.head = adapter.head_weight();
  return weights;
}

/// A job's own folder in `folder`.
Result<fs::path> FolderOf(const std::string& job_id, const fs::path& folder) {
  const fs::path name = job_id;
  if (job_id.empty() || name.filename() != name || job_id == "." || job_id == "..") {
    return Failure(ErrorCode::kInvalidArgument, "'" + job_id + "' is not a job id");
  }
  return folder / name;
}

}  // namespace

Result<AdapterFiles> FetchAdapters(const v1::GenerateAssignment& assignment,
                                   cache::BlobCache& cache, const fs::path& folder,
                                   const std::function<bool()>& cancelled) {
  AdapterFiles files;
  if (!assignment.has_composition()) {
    if (assignment.adapter().files().empty()) return files;
    files.adapter = (folder / "adapter").string();
    LATHE_RETURN_IF_ERROR(cache.FetchFolder(assignment.adapter(), files.adapter));
    return files;
  }
  const v1::Composition& wanted = assignment.composition();
  if (wanted.adapters_size() != assignment.composed_adapters_size()) {
    return Failure(ErrorCode::kInvalidArgument,
                   "a composition of " + std::to_string(wanted.adapters_size()) +
                       " adapters came with the files of " +
                       std::to_string(assignment.composed_adapters_size()));
  }
  composition::Composition composition{.name = "composition"};
  LATHE_ASSIGN_OR_RETURN(composition.method, MethodOf(wanted));
  for (int i = 0; i < wanted.adapters_size(); ++i) {
    if (cancelled()) return Failure(ErrorCode::kCancelled, "nobody waits for the answer");
    const v1::ComposedAdapter& adapter = wanted.adapters(i);
    LATHE_ASSIGN_OR_RETURN(const fs::path target, FolderOf(adapter.job_id(), folder));
    LATHE_RETURN_IF_ERROR(cache.FetchFolder(assignment.composed_adapters(i), target));
    composition.members.push_back({target.string(), WeightsOf(adapter)});
  }
  // Beside the jobs' folders and never one of them: no job's name ends so.
  const fs::path file = folder / "composition.json";
  LATHE_RETURN_IF_ERROR(
      WriteFileAtomically(file, ToText(composition::WriteComposition(composition))));
  files.composition = file.string();
  return files;
}

}  // namespace lathe::worker::generate
