#include "common/estimator/shape.h"

namespace lathe::estimator {

std::vector<LinearShape> LinearLayers(const ModelShape& s) {
  const std::int64_t query = s.heads * s.head_dim;
  const std::int64_t key = s.kv_heads * s.head_dim;
  return {{"q_proj", s.hidden, query},
          {"k_proj", s.hidden, key},
          {"v_proj", s.hidden, key},
          {"o_proj", query, s.hidden},
          {"gate_proj", s.hidden, s.intermediate},
          {"up_proj", s.hidden, s.intermediate},
          {"down_proj", s.intermediate, s.hidden}};
}

std::int64_t LinearParameters(const ModelShape& shape) {
  std::int64_t sum = 0;
  for (const LinearShape& linear : LinearLayers(shape)) sum += linear.in * linear.out;
  return sum * shape.layers;
}

std::int64_t EmbeddingParameters(const ModelShape& shape) {
  return shape.vocabulary * shape.hidden * (shape.tied_embeddings ? 1 : 2);
}

std::int64_t Parameters(const ModelShape& shape) {
  const std::int64_t norms = shape.hidden * (2 * shape.layers + 1);
  return LinearParameters(shape) + EmbeddingParameters(shape) + norms;
}

}  // namespace lathe::estimator
