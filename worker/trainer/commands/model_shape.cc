#include "worker/trainer/commands/model_shape.h"

namespace lathe::trainer::commands {

estimator::ModelShape ShapeOf(const model::ModelDescription& d) {
  return {.architecture = d.architecture,
          .vocabulary = d.vocabulary,
          .hidden = d.hidden,
          .layers = d.layers,
          .heads = d.heads,
          .kv_heads = d.kv_heads,
          .head_dim = d.head_dim,
          .intermediate = d.intermediate,
          .context = d.context,
          .tied_embeddings = d.tied_embeddings};
}

nlohmann::ordered_json ShapeJson(const estimator::ModelShape& s) {
  return {{"architecture", s.architecture},
          {"parameters", estimator::Parameters(s)},
          {"vocabulary", s.vocabulary},
          {"hidden", s.hidden},
          {"layers", s.layers},
          {"heads", s.heads},
          {"kvHeads", s.kv_heads},
          {"headDim", s.head_dim},
          {"intermediate", s.intermediate},
          {"context", s.context},
          {"tiedEmbeddings", s.tied_embeddings}};
}

}  // namespace lathe::trainer::commands
