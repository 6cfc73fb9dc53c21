#pragma once
// `lathe-trainer bench-step`: what whole training steps reach with a model of a given shape, its
// weights random and its tokens too. Nothing is read but the shape.

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>

namespace lathe::trainer::commands {

struct BenchStepArguments {
  std::filesystem::path shape;  ///< folder with a config.json, or a GGUF file
  std::string device = "cpu";
  std::string precision = "bf16";
  std::string quantization = "none";  ///< none, nf4, fp4 or int8
  std::int64_t rank = 16;             ///< of LoRA, on every linear layer
  std::int64_t sequence_length = 4096;
  std::int64_t documents = 1;  ///< packed into each sequence, of one length
  std::int64_t batch_size = 1;
  std::int64_t accumulation = 1;
  std::int64_t warmup = 2;
  std::int64_t steps = 5;
  bool recompute = false;  ///< gradient checkpointing
  bool offload = false;    ///< activation offloading
  bool json = false;
};

/// {device, tokensPerSecond, modelFlops, stepSeconds: [...], memoryBytes, loss, ...}.
int RunBenchStep(const BenchStepArguments& arguments, std::ostream& out);

}  // namespace lathe::trainer::commands
