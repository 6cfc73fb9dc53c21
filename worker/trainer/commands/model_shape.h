#pragma once
// A model's shape as the estimator wants it, and as JSON for whoever asks this program about it.

#include <nlohmann/json.hpp>

#include "common/estimator/shape.h"
#include "worker/trainer/model/description.h"

namespace lathe::trainer::commands {

estimator::ModelShape ShapeOf(const model::ModelDescription& description);

/// {architecture, parameters, vocabulary, hidden, layers, heads, kvHeads, headDim, intermediate,
/// context, tiedEmbeddings}.
nlohmann::ordered_json ShapeJson(const estimator::ModelShape& shape);

}  // namespace lathe::trainer::commands
