#pragma once
// The network that makes a prefix of an embedding of its virtual tokens:
//
//   rows = W2 tanh(W1 e + b1) + b2
//
// with PEFT's names and initial distributions. fp32 throughout: it is small beside a pass, and runs
// once a step. Private to this room. Copies share their values.

#include "worker/trainer/adapters/flat.h"
#include "worker/trainer/adapters/prefix.h"

namespace lathe::trainer::adapters {

class PrefixProjection {
 public:
  /// Drawn from the seed; then W2 is the least-squares fit to `start` [length, W], and b2 its mean.
  PrefixProjection(const model::Decoder& decoder, const PrefixSettings& settings,
                   const at::Tensor& start, std::uint64_t seed);

  const FlatStorage& storage() const { return flat_; }
  /// fp32 [length, W].
  at::Tensor Rows() const;
  /// Adds to the gradients of the network from that of its rows, fp32 [length, W].
  void AddGradients(const at::Tensor& drows) const;

 private:
  /// The embedding, W1, b1, W2, b2 as views of a flat tensor.
  struct Values {
    at::Tensor embedding;  ///< [length, token_dim]
    at::Tensor in;         ///< W1 [size, token_dim]
    at::Tensor in_bias;
    at::Tensor out;  ///< W2 [W, size]
    at::Tensor out_bias;
  };
  Values Of(const at::Tensor& flat) const;
  static at::Tensor Hidden(const Values& values);

  FlatStorage flat_;
};

}  // namespace lathe::trainer::adapters
