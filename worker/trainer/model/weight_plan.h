#pragma once
// Which stored tensor goes where in a decoder: names, shapes and places, independent of the files.

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::model {

struct Placement {
  std::string name;        ///< Hugging Face name: "model.layers.0.self_attn.q_proj.weight"
  std::string gguf_name;   ///< "blk.0.attn_q.weight"
  at::Tensor destination;  ///< contiguous rows [out, in] or [n]
  /// In GGUF files of Llama models the rows of q and k come in the order of interleaved rotary
  /// pairs; this is the head size to restore the order of half-split pairs by, else 0.
  std::int64_t interleaved_head_dim = 0;
  /// What a GGUF file holds is larger by this: there, norms of Gemma models hold what they multiply
  /// by.
  double gguf_offset = 0;
  /// Where the weight goes instead when the destination is a meta tensor.
  quantization::QuantizedMatrix* quantized = nullptr;
  /// The layer that it belongs to; nullopt: to none.
  std::optional<std::size_t> layer = std::nullopt;
};

/// Whether the weights of the layers' linear parts get memory, or are quantised as they are read.
enum class WeightStorage { kDense, kQuantized };

/// An allocated, uninitialised decoder.
Decoder AllocateDecoder(const ModelDescription& description, at::ScalarType dtype,
                        WeightStorage storage, const at::Device& device = at::kCPU);

/// Every tensor that the decoder needs.
std::vector<Placement> PlanWeights(Decoder& decoder);

}  // namespace lathe::trainer::model
