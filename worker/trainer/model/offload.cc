#include "worker/trainer/model/offload.h"

#include <ATen/ops/empty.h>

namespace lathe::trainer::model {
namespace {

/// Smaller ones are not worth a copy each.
constexpr std::size_t kMinimumBytes = std::size_t{1} << 20;

/// What grows with tokens times width, or with tokens squared. A tensor that is missing here stays
/// on the device, which costs memory and nothing else.
template <class Visit>
void ForEachLarge(LayerTape& tape, const Visit& visit) {
  for (at::Tensor* tensor : {&tape.input, &tape.heads, &tape.qkv, &tape.attention,
                             &tape.attention_added, &tape.middle, &tape.gate_up, &tape.mlp_added}) {
    visit(*tensor);
  }
  for (at::Tensor& probabilities : tape.probabilities) visit(probabilities);
  for (LinearTape* linear :
       {&tape.qkv_tape, &tape.output_tape, &tape.gate_up_tape, &tape.down_tape}) {
    visit(linear->dropout_mask);
  }
}

}  // namespace

void Offload(LayerTape& tape) {
  ForEachLarge(tape, [](at::Tensor& tensor) {
    if (!tensor.defined() || tensor.is_cpu() || tensor.nbytes() < kMinimumBytes) return;
    const auto options = tensor.options().device(at::kCPU).pinned_memory(true);
    at::Tensor host = at::empty(tensor.sizes(), options);
    host.copy_(tensor, /*non_blocking=*/true);
    tensor = std::move(host);
  });
}

void Fetch(LayerTape& tape, const at::Device& device) {
  ForEachLarge(tape, [&](at::Tensor& tensor) {
    if (tensor.defined() && tensor.device() != device) tensor = tensor.to(device, true);
  });
}

}  // namespace lathe::trainer::model
