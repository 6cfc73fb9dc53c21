#pragma once
// Rotary position angles (https://arxiv.org/abs/2104.09864), precomputed for a range of positions.
// Immutable; passes may share it.

#include <ATen/core/Tensor.h>

#include <vector>

#include "worker/trainer/model/rope_description.h"

namespace lathe::trainer::model {

/// fp32 [rows, dimensions / 2] each, one row a position or a token.
struct RopeTable {
  at::Tensor cosine;
  at::Tensor sine;
};

class Rope {
 public:
  /// For sequences of up to `positions` tokens.
  Rope(RopeDescription description, std::int64_t positions, const at::Device& device);

  /// The angles of the tokens of sequences that lie one after another, with their positions (int64
  /// [N]). `before`: what each sequence has had in front of these tokens. The angles of a sequence
  /// depend on its own length only, not on its neighbours'.
  RopeTable Rows(const at::Tensor& positions, const std::vector<std::int64_t>& lengths,
                 std::int64_t before = 0) const;

  /// Whether a sequence of `longer` tokens starts with the angles of its first `shorter` ones.
  bool Continues(std::int64_t shorter, std::int64_t longer) const;

 private:
  RopeTable Table(std::int64_t length) const;

  RopeDescription description_;
  RopeTable table_;       ///< for all positions, for sequences up to the original context
  RopeTable long_table_;  ///< LongRoPE: for longer ones; undefined when there are none
};

/// The frequencies for a sequence of `length` tokens, [dimensions / 2]: fp32 arithmetic as in the
/// Python reference.
std::vector<float> RopeFrequencies(const RopeDescription& description, std::int64_t length);

}  // namespace lathe::trainer::model
