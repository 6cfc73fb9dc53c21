#pragma once
// What each family of Hugging Face models has of its own, as far as its config.json says or implies
// it. Private to the reader of config.json.

#include <string>
#include <vector>

#include "worker/trainer/model/config_reader.h"
#include "worker/trainer/model/description.h"

namespace lathe::trainer::model {

struct Family {
  const char* model_type;
  bool tied_embeddings = false;  ///< where the configuration says nothing
  std::int64_t head_dim = 0;     ///< likewise; 0: hidden size / heads
  const char* activation_key = "hidden_act";
  const char* activation = "silu";  ///< where the configuration says nothing
  /// Fills in what the family does with the rest. The sizes are there and d.layer has its length;
  /// every layer has the model's activation and scale.
  void (*describe)(ConfigReader& config, ModelDescription& d);
};

/// nullptr for a model_type that is not known.
const Family* FindFamily(const std::string& model_type);
/// "llama, mistral, ..."
std::string FamilyNames();

}  // namespace lathe::trainer::model
