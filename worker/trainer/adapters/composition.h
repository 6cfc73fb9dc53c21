#pragma once
// Several saved adapters of one base at once: what they add to the decoder together.
//
// Alone, an adapter turns what a module computes from y into y + D, where D is
//
//   LoRA               scale * B A x
//   DoRA               (c - 1) W x + c * scale * B A x,  c = magnitude / ||W + scale * B A|| a row
//   a trained bias     the bias - the layer's own
//   bottleneck         scale * (U act(D in + b_D) + b_U)
//
// additive: y + sum of w_i D_i, each D_i computed as if its adapter were alone. Of LoRA this is the
// function of PEFT's add_weighted_adapter with combination_type="cat" (whose "linear" adds up the
// As and the Bs instead, which is another function); of bottleneck adapters of one kind it is
// AdapterHub's Average where the weights add up to 1 (adapters 1.3.0 divides by their number once
// more). Weights may be negative.
//
// gated: the same with weights of each layer of the decoder: y + sum of w_il D_i in layer l.
//
// sequential: y_0 = y, y_i = y_(i-1) + w_i D_i, each D_i computed as if its base were a model into
// which the adapters before it had been merged; so it is right for one that was trained on such a
// model. Of plain LoRA that is the sum again. A DoRA's norms are those of the weights that it
// finds, (W + what came before), and its factor scales those; PEFT, with several adapters active,
// scales them too but takes the norms of W. Of biases the last one counts, with weight 1. Of
// bottleneck adapters that read what the sublayer adds it is AdapterHub's Stack: each reads what
// the one before it gives. One that reads the stream has nothing to read of the others and is
// added; in a Stack it takes the place of all before it.
//
// A prefix takes part with weight 1 or not at all. Several stand one beside the other, or with
// `sequential` one behind the other: beside, every token sees each of them where it saw it in
// training; behind, each follows the one before it as tokens do. Attention is shared by all of
// their keys either way, and a window counts all virtual tokens.

#include <span>
#include <string>

#include "common/base/result.h"
#include "common/composition/composition.h"
#include "worker/trainer/adapters/load.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::adapters {

using CompositionMethod = composition::Method;
using AdapterWeights = composition::Weights;

/// The weight of a linear layer by its number, see model::GroupIndex.
inline double WeightOfGroup(const AdapterWeights& weights, std::size_t group,
                            const model::Decoder& decoder) {
  return group == model::HeadGroupIndex(decoder) ? weights.head : weights.OfLayer(group / 4);
}

struct ComposedAdapter {
  std::string name;  ///< as errors call it
  const SavedAdapter& adapter;
  AdapterWeights weights;
};

/// kInvalidArgument with a finding for each adapter whose weights are not one for each layer or are
/// nothing that its method knows, and for a whole model that is not alone: nothing can be added to
/// it.
Status CheckComposition(const model::Decoder& decoder, std::span<const ComposedAdapter> adapters);

/// What adapters that CheckComposition accepts add together. One alone with weight 1 adds what it
/// adds without a composition, to the bit, and one with weight 0 nothing. What does so neither is a
/// copy as large as all of their matrices.
model::Additions Compose(const model::Decoder& decoder, CompositionMethod method,
                         std::span<const ComposedAdapter> adapters);

}  // namespace lathe::trainer::adapters
