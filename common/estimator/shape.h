#pragma once
// The shape of a decoder language model and the numbers of parameters that follow from it. Pure
// values; sizes in elements.
//
// The trainer's ModelDescription names the same sizes among all that it computes with. They are
// not one type: what computes does not rest on what predicts, a shape also comes over the wire
// without the rest, and the two meet in one function (ShapeOf in worker/trainer/commands).

#include <cstdint>
#include <string>
#include <vector>

namespace lathe::estimator {

struct ModelShape {
  std::string architecture;
  std::int64_t vocabulary = 0;
  std::int64_t hidden = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t intermediate = 0;
  std::int64_t context = 0;  ///< the longest sequence that it was trained for; 0: not known
  bool tied_embeddings = false;
  /// Of English text, by its tokenizer; 0: not known.
  double bytes_per_token = 0;

  std::int64_t QkvWidth() const { return (heads + 2 * kv_heads) * head_dim; }
};

/// One linear layer of a decoder layer: y [out] = W x [in].
struct LinearShape {
  std::string name;  ///< "q_proj"
  std::int64_t in = 0;
  std::int64_t out = 0;
};

/// q, k, v, o, gate, up, down, by the names of the Llama family's modules.
std::vector<LinearShape> LinearLayers(const ModelShape& shape);

/// Weights of the linear layers of all decoder layers, without the output head.
std::int64_t LinearParameters(const ModelShape& shape);
/// The embedding, and the output head where it has weights of its own.
std::int64_t EmbeddingParameters(const ModelShape& shape);
/// All of them, norms included.
std::int64_t Parameters(const ModelShape& shape);

}  // namespace lathe::estimator
