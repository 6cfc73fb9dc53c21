#pragma once
// `lathe-trainer logits MODEL IN.safetensors OUT.safetensors`.

#include <filesystem>
#include <string>

#include "worker/trainer/commands/speaker_arguments.h"

namespace lathe::trainer::commands {

struct LogitsArguments {
  std::filesystem::path model;
  std::filesystem::path input;   ///< input_ids [B, T] and attention_mask [B, T]
  std::filesystem::path output;  ///< logits fp32 [B, T, V]; 0 where the mask is 0
  SpeakerArguments speakers;     ///< one at most
  std::string device = "cpu";
  std::string precision = "fp32";  ///< or "bf16": what is computed in
};

/// Returns an exit code.
int RunLogits(const LogitsArguments& arguments);

}  // namespace lathe::trainer::commands
