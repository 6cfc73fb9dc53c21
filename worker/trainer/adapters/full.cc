#include "worker/trainer/adapters/full.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "worker/trainer/model/weight_plan.h"

namespace lathe::trainer::adapters {
namespace {

/// Makes the decoder's weights consecutive views of `flat` with their values.
void MoveInto(const at::Tensor& flat, model::Decoder& decoder) {
  std::int64_t offset = 0;
  for (at::Tensor* weight : model::WeightTensors(decoder)) {
    at::Tensor view = flat.narrow(0, offset, weight->numel()).view(weight->sizes());
    offset += weight->numel();
    view.copy_(*weight);
    *weight = view;
  }
  if (decoder.description.tied_embeddings) decoder.head.weight = decoder.embedding;
}

std::int64_t Count(model::Decoder& decoder) {
  std::int64_t total = 0;
  for (const at::Tensor* weight : model::WeightTensors(decoder)) total += weight->numel();
  return total;
}

}  // namespace

Trainable MakeFull(model::Decoder& decoder, at::ScalarType compute,
                   std::function<Status(const std::filesystem::path& folder)> save) {
  const at::TensorOptions options = decoder.embedding.options();
  const std::int64_t total = Count(decoder);
  // Untouched memory costs nothing yet: each weight moves in and its old place is given back.
  Trainable trainable{.parameters = at::empty({total}, options)};
  MoveInto(trainable.parameters, decoder);
  for (const model::Placement& placement : model::PlanWeights(decoder)) {
    trainable.views.push_back({placement.name, placement.destination.sizes().vec(),
                               placement.destination.storage_offset()});
  }
  if (compute != at::kFloat) {
    const at::Tensor copies = at::empty({total}, options.dtype(compute));
    MoveInto(copies, decoder);
    trainable.refresh = [copies, masters = trainable.parameters] { copies.copy_(masters); };
  }
  trainable.gradients = at::zeros({total}, options);
  trainable.additions.weights = model::WeightGradients(trainable.gradients);
  trainable.save = [save = std::move(save)](const auto& folder, const std::string&) {
    return save(folder);
  };
  return trainable;
}

}  // namespace lathe::trainer::adapters
