#include "worker/trainer/model/packed_attention.h"

#include <ATen/Context.h>
#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/cat.h>

#include <algorithm>

#include "worker/trainer/device/transfer.h"

namespace lathe::trainer::model {
namespace {

struct Sections {
  at::Tensor queries;  ///< [N, heads, head_dim]
  at::Tensor keys;     ///< [N, kv_heads, head_dim]
  at::Tensor values;
};

/// Views.
Sections Split(const AttentionShape& shape, const at::Tensor& qkv) {
  const std::int64_t width = shape.head_dim;
  const auto heads = [&](std::int64_t first, std::int64_t count) {
    return qkv.narrow(1, first * width, count * width).unflatten(1, {count, width});
  };
  return {heads(0, shape.heads), heads(shape.heads, shape.kv_heads),
          heads(shape.heads + shape.kv_heads, shape.kv_heads)};
}

/// How far back a query sees beside itself.
std::optional<std::int64_t> Left(const AttentionShape& shape) {
  return shape.window == 0 ? std::nullopt : std::optional(shape.window - 1);
}

/// While it lives, operations take algorithms whose results do not depend on chance. Only around
/// the operation that has one that does: others would refuse to run.
class Deterministic {
 public:
  Deterministic() {
    at::globalContext().setDeterministicAlgorithms(true, false);
    // Nothing here reads what it has not written: no need to fill it.
    at::globalContext().setDeterministicFillUninitializedMemory(false);
  }
  ~Deterministic() {
    at::globalContext().setDeterministicAlgorithms(before_, warn_only_);
    at::globalContext().setDeterministicFillUninitializedMemory(fills_);
  }
  Deterministic(const Deterministic&) = delete;
  Deterministic& operator=(const Deterministic&) = delete;

 private:
  bool before_ = at::globalContext().deterministicAlgorithms();
  bool fills_ = at::globalContext().deterministicFillUninitializedMemory();
  bool warn_only_ = at::globalContext().deterministicAlgorithmsWarnOnly();
};

}  // namespace

SequenceStarts StartsOf(const std::vector<std::int64_t>& lengths, const at::Device& device) {
  std::vector<std::int32_t> rows = {0};
  SequenceStarts starts;
  for (const std::int64_t length : lengths) {
    rows.push_back(rows.back() + static_cast<std::int32_t>(length));
    starts.longest = std::max(starts.longest, length);
  }
  starts.rows = device::Upload(rows, device);
  return starts;
}

bool CanPack(const AttentionShape& shape, const at::Tensor& qkv) {
  constexpr std::int64_t kLargestHead = 256;
  return qkv.is_cuda() && qkv.scalar_type() != at::kFloat && shape.scaling.cap == 0 &&
         shape.head_dim <= kLargestHead && shape.head_dim % 8 == 0;
}

at::Tensor PackedForward(const AttentionShape& shape, const SequenceStarts& starts,
                         const at::Tensor& qkv, PackedTape* tape) {
  const Sections s = Split(shape, qkv);
  const auto [out, log_sums, random_state, unused, mask] = at::_flash_attention_forward(
      s.queries, s.keys, s.values, starts.rows, starts.rows, starts.longest, starts.longest,
      /*dropout_p=*/0, /*is_causal=*/true, /*return_debug_mask=*/false, shape.scaling.scale,
      Left(shape));
  if (tape != nullptr) *tape = {log_sums, random_state, unused};
  return out.flatten(1);
}

at::Tensor PackedBackward(const AttentionShape& shape, const SequenceStarts& starts,
                          const PackedBackwardInput& input) {
  const Sections s = Split(shape, input.qkv);
  const auto heads = [&](const at::Tensor& x) {
    return x.unflatten(1, {shape.heads, shape.head_dim});
  };
  const Deterministic guard;
  const auto [dqueries, dkeys, dvalues] = at::_flash_attention_backward(
      heads(input.dout), s.queries, s.keys, s.values, heads(input.out), input.tape.log_sums,
      starts.rows, starts.rows, starts.longest, starts.longest, /*dropout_p=*/0,
      /*is_causal=*/true, input.tape.random_state, input.tape.unused, shape.scaling.scale,
      Left(shape));
  return at::cat({dqueries.flatten(1), dkeys.flatten(1), dvalues.flatten(1)}, 1);
}

}  // namespace lathe::trainer::model
