#pragma once
// What a run trains, whatever the method: its values and their gradients as one flat fp32 tensor
// each, so that clipping, optimizers, checkpoints and exchange between ranks are a handful of
// operations that know no method; and what the passes compute with. A handle: copies share their
// tensors. Not thread-safe.

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/model/additions.h"

namespace lathe::trainer::adapters {

enum class Purpose { kTraining, kInference };

/// One tensor within the flat ones.
struct NamedView {
  std::string name;  ///< as in the saved files, unique
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;  ///< of its first element

  std::int64_t Count() const;
  /// A view into a flat tensor.
  at::Tensor Of(const at::Tensor& flat) const;
};

struct Trainable {
  at::Tensor parameters;  ///< [P] fp32; after changing them call Refresh
  at::Tensor gradients;   ///< [P] fp32, which backward passes add to; undefined for inference
  /// Every element of the parameters belongs to exactly one.
  std::vector<NamedView> views;
  model::Additions additions;
  /// A saved folder's file that holds every view under its name in fp32; empty when the form in
  /// which the method is saved cannot be gone on from.
  std::string exact_file;

  /// Gradients of what is computed from the parameters before a pass, which the passes add to
  /// instead; undefined where they add to `gradients` itself.
  at::Tensor inner_gradients;

  /// Before the first pass of a step.
  void ZeroGradients() const {
    gradients.zero_();
    if (inner_gradients.defined()) inner_gradients.zero_();
  }
  /// After the last pass of a step: `gradients` are complete.
  void FinishGradients() const {
    if (finish_gradients) finish_gradients();
  }
  /// Brings the copies in the compute type up to date.
  void Refresh() const {
    if (refresh) refresh();
  }
  /// Writes, durably and into an existing folder, what other programs load. base_model is the name
  /// of the base that it belongs to.
  Status Save(const std::filesystem::path& folder, const std::string& base_model) const {
    return save(folder, base_model);
  }

  // What differs between the methods.
  std::function<void()> finish_gradients;  ///< may be empty
  std::function<void()> refresh;           ///< likewise
  std::function<Status(const std::filesystem::path&, const std::string&)> save;
};

}  // namespace lathe::trainer::adapters
