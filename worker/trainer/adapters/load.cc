#include "worker/trainer/adapters/load.h"

#include "worker/trainer/adapters/peft.h"

namespace lathe::trainer::adapters {

Result<model::Additions> LoadAdditions(const model::Decoder& decoder,
                                       const std::filesystem::path& folder) {
  LATHE_ASSIGN_OR_RETURN(const LoraAdapter adapter, LoadPeft(decoder, folder, Purpose::kInference));
  return ToTrainable(adapter).additions;
}

}  // namespace lathe::trainer::adapters
