#include "worker/trainer/loop/method.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <array>
#include <map>
#include <sstream>

#include "worker/trainer/adapters/bottleneck.h"
#include "worker/trainer/adapters/full.h"
#include "worker/trainer/adapters/peft.h"
#include "worker/trainer/adapters/prefix.h"
#include "worker/trainer/adapters/tensor_file.h"
#include "worker/trainer/export/model_folder.h"
#include "worker/trainer/inference/cached_forward.h"
#include "worker/trainer/loop/answers.h"
#include "worker/trainer/model/dropout.h"

namespace lathe::trainer::loop {
namespace {

at::ScalarType ComputeType(const plan::Plan& plan) {
  if (plan.precision == "bf16") return at::kBFloat16;
  return plan.precision == "fp16" ? at::kHalf : at::kFloat;
}

adapters::LoraSettings ToSettings(const plan::LoraPlan& lora) {
  return {.rank = lora.rank,
          .alpha = lora.alpha,
          .dropout = lora.dropout,
          .rslora = lora.rslora,
          .dora = lora.dora,
          .bias = lora.bias == "all"         ? adapters::BiasTraining::kAll
                  : lora.bias == "lora_only" ? adapters::BiasTraining::kAdaptedLayers
                                             : adapters::BiasTraining::kNone,
          .modules = lora.modules,
          .rank_pattern = lora.rank_pattern,
          .alpha_pattern = lora.alpha_pattern};
}

std::string Described(const adapters::LoraModule* module) {
  if (module == nullptr) return "nothing";
  std::ostringstream text;
  text << "rank " << module->rank << ", scale " << module->scale;
  return text.str();
}

/// A saved adapter can only be gone on from when it adapts the same layers in the same way.
Status CheckSameForm(const adapters::LoraAdapter& ours, const adapters::LoraAdapter& theirs,
                     const std::filesystem::path& folder) {
  Error error{ErrorCode::kInvalidArgument, {}, {}};
  const auto find = [&](const std::string& what, const std::string& given,
                        const std::string& wanted) {
    error.findings.push_back(
        {.path = "configuration.method.loraConfig.initFrom",
         .code = "other_form",
         .message = what + ": the adapter has " + given + ", this run " + wanted,
         .given = given,
         .expected = wanted});
  };
  const auto on = [](bool value) { return std::string(value ? "true" : "false"); };
  if (ours.settings().dora != theirs.settings().dora) {
    find("useDora", on(theirs.settings().dora), on(ours.settings().dora));
  }
  if (ours.biases().size() != theirs.biases().size()) {
    find("bias", std::to_string(theirs.biases().size()) + " trained biases",
         std::to_string(ours.biases().size()));
  }
  std::map<std::string, std::array<const adapters::LoraModule*, 2>> modules;
  for (const auto& module : ours.modules()) modules[module.name][0] = &module;
  for (const auto& module : theirs.modules()) modules[module.name][1] = &module;
  for (const auto& [name, pair] : modules) {
    if (Described(pair[0]) != Described(pair[1])) {
      find(name, Described(pair[1]), Described(pair[0]));
    }
  }
  if (error.findings.empty()) return {};
  error.message = "paths.initAdapter: " + folder.string() +
                  " is of another form: " + error.findings.front().message +
                  "; set method.loraConfig as that adapter has it";
  return Failure(std::move(error));
}

Result<adapters::Trainable> StartLora(const plan::Plan& plan, const model::Decoder& decoder) {
  const adapters::LoraSettings settings = ToSettings(plan.lora);
  LATHE_ASSIGN_OR_RETURN(
      auto adapter, adapters::LoraAdapter::Create(decoder, settings, adapters::Purpose::kTraining));
  if (!plan.paths.init_adapter) {
    adapter.Initialize(static_cast<std::uint64_t>(plan.seed));
    return adapters::ToTrainable(adapter);
  }
  LATHE_ASSIGN_OR_RETURN(const auto theirs, adapters::ReadPeftSettings(*plan.paths.init_adapter));
  LATHE_ASSIGN_OR_RETURN(const auto saved, adapters::LoraAdapter::Create(
                                               decoder, theirs, adapters::Purpose::kInference));
  LATHE_RETURN_IF_ERROR(CheckSameForm(adapter, saved, *plan.paths.init_adapter));
  LATHE_RETURN_IF_ERROR(adapters::ReadPeftWeights(*plan.paths.init_adapter, adapter));
  return adapters::ToTrainable(adapter);
}

/// Copies the values of a saved adapter of the same method and settings.
Status CopySaved(const plan::Plan& plan, const adapters::Trainable& trainable) {
  if (!plan.paths.init_adapter) return {};
  if (trainable.exact_file.empty()) {
    return Failure(ErrorCode::kInvalidArgument,
                   "paths.initAdapter: what is trained with method.type " + plan.method +
                       " cannot be gone on from a saved folder; give it as the model instead");
  }
  const std::filesystem::path file = *plan.paths.init_adapter / trainable.exact_file;
  LATHE_RETURN_IF_ERROR(adapters::ReadTensors(file, adapters::NamedTensors(trainable)));
  trainable.Refresh();
  return {};
}

/// int64 [count]: see StartTrainable.
at::Tensor FirstTokens(const std::vector<data::Example>& examples, std::int64_t count,
                       std::uint64_t seed) {
  at::Tensor tokens = at::empty({count}, at::kLong);
  auto* out = static_cast<std::int64_t*>(tokens.data_ptr());
  std::size_t index = model::MixSeed(seed, 0) % examples.size();
  for (std::int64_t filled = 0; filled < count; index = (index + 1) % examples.size()) {
    for (const std::int64_t token : examples[index].tokens) {
      if (filled == count) break;
      out[filled++] = token;
    }
  }
  return tokens;
}

/// fp32 [tokens, layers * 2 * kv_heads * head_dim], as adapters/prefix.h has it.
at::Tensor KeysAndValues(const model::Decoder& decoder, const at::Tensor& tokens) {
  const model::Additions none;
  inference::KeyValueCache cache = inference::MakeCache(decoder, none, tokens.size(0));
  inference::Append(decoder, none, tokens.to(decoder.device()), cache);
  std::vector<at::Tensor> columns;
  for (std::size_t layer = 0; layer < decoder.layers.size(); ++layer) {
    for (const at::Tensor& kept : {cache.keys[layer], cache.values[layer]}) {
      columns.push_back(kept.transpose(0, 1).flatten(1).to(at::kFloat));
    }
  }
  return at::cat(columns, 1);
}

Result<adapters::Trainable> StartPrefix(const plan::Plan& plan,
                                        const std::vector<data::Example>& examples,
                                        const model::Decoder& decoder) {
  const auto seed = static_cast<std::uint64_t>(plan.seed);
  adapters::PrefixSettings settings{.length = plan.prefix.length, .projection_size = {}};
  if (plan.prefix.projection) {
    settings.projection_size = plan.prefix.projection_size.value_or(decoder.description.hidden);
  }
  const at::Tensor tokens = FirstTokens(examples, settings.length, seed);
  auto trainable = adapters::StartPrefix(decoder, settings, KeysAndValues(decoder, tokens), seed);
  LATHE_RETURN_IF_ERROR(CopySaved(plan, trainable));
  return trainable;
}

Result<adapters::Trainable> StartBottleneck(const plan::Plan& plan, const model::Decoder& decoder) {
  const auto settings = adapters::BottleneckVariant(plan.bottleneck.variant, plan.bottleneck.size);
  if (plan.paths.init_adapter) {
    LATHE_ASSIGN_OR_RETURN(const auto theirs,
                           adapters::ReadBottleneckSettings(decoder, *plan.paths.init_adapter));
    if (theirs != settings) {
      return Failure(ErrorCode::kInvalidArgument,
                     "paths.initAdapter: " + plan.paths.init_adapter->string() +
                         " is another kind of adapter than method.adapterVariant and "
                         "method.adapterSize say");
    }
  }
  auto trainable =
      adapters::StartBottleneck(decoder, settings, static_cast<std::uint64_t>(plan.seed));
  LATHE_RETURN_IF_ERROR(CopySaved(plan, trainable));
  return trainable;
}

Result<adapters::Trainable> StartFull(const plan::Plan& plan, model::Decoder& decoder) {
  if (const Status can = exporting::CheckModelFolder(decoder, plan.paths.base_model); !can) {
    return Failure(can.error().WithContext("paths.baseModel"));
  }
  auto trainable = adapters::MakeFull(
      decoder, ComputeType(plan),
      [&decoder, source = plan.paths.base_model](const std::filesystem::path& folder) {
        return exporting::WriteModelFolder(decoder, {.source = source}, folder);
      });
  LATHE_RETURN_IF_ERROR(CopySaved(plan, trainable));
  return trainable;
}

}  // namespace

std::int64_t MaxPositions(const plan::Plan& plan) {
  const bool generates = plan.evaluation.tool_accuracy || plan.evaluation.response_quality;
  return plan.data.sequence_length + (plan.method == "prefix" ? plan.prefix.length : 0) +
         (generates ? kAnswerTokens : 0);
}

at::ScalarType LoadedType(const plan::Plan& plan) {
  return plan.method == "full" ? at::kFloat : ComputeType(plan);
}

Result<adapters::Trainable> StartTrainable(const plan::Plan& plan,
                                           const std::vector<data::Example>& examples,
                                           model::Decoder& decoder) {
  if (plan.method == "full") return StartFull(plan, decoder);
  if (plan.method == "prefix") return StartPrefix(plan, examples, decoder);
  if (plan.method == "adapter") return StartBottleneck(plan, decoder);
  return StartLora(plan, decoder);
}

}  // namespace lathe::trainer::loop
