#pragma once
// Adapters of the tiny reference models, for tests.

#include "tests/parity/support.h"
#include "worker/trainer/adapters/lora.h"
#include "worker/trainer/model/loader.h"

namespace lathe::trainer::adapters {

inline model::Decoder TinyDecoder(at::ScalarType dtype = at::kFloat) {
  return model::LoadDecoder(parity::Golden("models/llama_tiny"),
                            {.dtype = dtype, .max_positions = 32})
      .value();
}

/// Adapter with every matrix drawn, B too.
inline LoraAdapter DrawnAdapter(const model::Decoder& decoder, const LoraSettings& settings) {
  LoraAdapter adapter = LoraAdapter::Create(decoder, settings, Purpose::kTraining).value();
  adapter.Initialize(7);
  for (const LoraModule& module : adapter.modules()) {
    at::Tensor b = module.b;
    b.normal_();
  }
  adapter.Refresh();
  return adapter;
}

}  // namespace lathe::trainer::adapters
