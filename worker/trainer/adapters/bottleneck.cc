#include "worker/trainer/adapters/bottleneck.h"

#include <ATen/ops/empty.h>

#include <cmath>

#include "common/base/file_io.h"
#include "worker/trainer/adapters/bottleneck_config.h"
#include "worker/trainer/adapters/flat.h"
#include "worker/trainer/adapters/peft_names.h"
#include "worker/trainer/adapters/tensor_file.h"

namespace lathe::trainer::adapters {
namespace {

using model::Bottleneck;
using model::BottleneckInput;

constexpr char kBottleneckFile[] = "adapter.safetensors";
constexpr char kName[] = "lathe";
/// Tensors of one module, in this order.
constexpr std::size_t kTensors = 4;

/// Layer by layer: its attention's module, then its feed-forward layer's.
std::vector<NamedShape> ShapesOf(const model::Decoder& decoder, const SavedBottleneck& saved) {
  const std::int64_t hidden = decoder.description.hidden;
  const std::int64_t size = saved.settings.size;
  std::vector<NamedShape> shapes;
  const auto add = [&](std::size_t layer, const char* place) {
    const std::string prefix = "model.layers." + std::to_string(layer) + "." + place +
                               "_adapters.adapters." + saved.name + ".adapter_";
    shapes.push_back({prefix + "down.0.weight", {size, hidden}});
    shapes.push_back({prefix + "down.0.bias", {size}});
    shapes.push_back({prefix + "up.weight", {hidden, size}});
    shapes.push_back({prefix + "up.bias", {hidden}});
  };
  for (std::size_t layer = 0; layer < decoder.layers.size(); ++layer) {
    if (saved.settings.attention) add(layer, "attention");
    if (saved.settings.mlp) add(layer, "output");
  }
  return shapes;
}

model::BottleneckSet ViewsOf(const BottleneckSettings& settings, const FlatStorage& flat) {
  model::BottleneckSet set{.input = settings.input,
                           .activation = settings.activation,
                           .scale = settings.scale,
                           .attention = {},
                           .mlp = {}};
  std::size_t next = 0;
  const auto take = [&] {
    const auto compute = [&](std::size_t i) { return flat.views[next + i].Of(flat.compute); };
    const auto gradient = [&](std::size_t i) {
      return flat.gradients.defined() ? flat.views[next + i].Of(flat.gradients) : at::Tensor();
    };
    const Bottleneck module{compute(0),  compute(1),  compute(2),  compute(3),
                            gradient(0), gradient(1), gradient(2), gradient(3)};
    next += kTensors;
    return module;
  };
  while (next < flat.views.size()) {
    if (settings.attention) set.attention.push_back(take());
    if (settings.mlp) set.mlp.push_back(take());
  }
  return set;
}

void Cast(const FlatStorage& flat) {
  if (!flat.compute.is_same(flat.parameters)) flat.compute.copy_(flat.parameters);
}

std::vector<NamedTensor> NamedTensors(const FlatStorage& flat) {
  std::vector<NamedTensor> tensors;
  for (const NamedView& view : flat.views) {
    tensors.push_back({view.name, view.Of(flat.parameters)});
  }
  return tensors;
}

/// Down-projections; everything else is zero already.
void Draw(const BottleneckSettings& settings, std::uint64_t seed, const FlatStorage& flat) {
  for (std::size_t i = 0; i < flat.views.size(); i += kTensors) {
    at::Generator generator = MakeGenerator(seed, i);
    const at::Tensor down = flat.views[i].Of(flat.parameters);
    at::Tensor values = at::empty(down.sizes(), at::kFloat);
    if (settings.input == BottleneckInput::kStream) {
      const double bound = 1.0 / std::sqrt(static_cast<double>(down.size(1)));
      down.copy_(values.uniform_(-bound, bound, generator));
    } else {
      down.copy_(values.normal_(0, 0.02, generator));
    }
  }
}

}  // namespace

BottleneckSettings BottleneckVariant(const std::string& variant, std::int64_t size) {
  BottleneckSettings settings{.size = size};
  if (variant == "houlsby") {
    settings.attention = true;
    settings.input = BottleneckInput::kAdded;
    settings.activation = model::BottleneckActivation::kSilu;
  } else if (variant == "parallel") {
    settings.input = BottleneckInput::kStream;
    settings.scale = 4;
  }
  return settings;
}

Trainable StartBottleneck(const model::Decoder& decoder, const BottleneckSettings& settings,
                          std::uint64_t seed) {
  const SavedBottleneck saved{settings, kName};
  const FlatStorage flat = AllocateFlat(decoder, ShapesOf(decoder, saved), Purpose::kTraining);
  Draw(settings, seed, flat);
  Trainable trainable{.parameters = flat.parameters,
                      .gradients = flat.gradients,
                      .views = flat.views,
                      .additions = {},
                      .exact_file = kBottleneckFile};
  trainable.additions.bottlenecks = {ViewsOf(settings, flat)};
  trainable.refresh = [flat] { Cast(flat); };
  trainable.save = [&decoder, flat, saved](const std::filesystem::path& folder,
                                           const std::string& base_model) -> Status {
    LATHE_RETURN_IF_ERROR(WriteTensors(folder / kBottleneckFile, NamedTensors(flat)));
    return WriteFileAtomically(folder / kConfigFile,
                               WriteBottleneckConfig(decoder, saved, base_model));
  };
  trainable.Refresh();
  return trainable;
}

Result<BottleneckSettings> ReadBottleneckSettings(const model::Decoder& decoder,
                                                  const std::filesystem::path& folder) {
  LATHE_ASSIGN_OR_RETURN(SavedBottleneck saved,
                         ReadBottleneckConfig(folder / kConfigFile, decoder.description.hidden));
  return saved.settings;
}

Result<model::Additions> LoadBottleneck(const model::Decoder& decoder,
                                        const std::filesystem::path& folder) {
  LATHE_ASSIGN_OR_RETURN(const SavedBottleneck saved,
                         ReadBottleneckConfig(folder / kConfigFile, decoder.description.hidden));
  const FlatStorage flat = AllocateFlat(decoder, ShapesOf(decoder, saved), Purpose::kInference);
  LATHE_RETURN_IF_ERROR(ReadTensors(folder / kBottleneckFile, NamedTensors(flat)));
  Cast(flat);
  model::Additions additions;
  additions.bottlenecks = {ViewsOf(saved.settings, flat)};
  return additions;
}

}  // namespace lathe::trainer::adapters
