#include "worker/trainer/adapters/prefix.h"

#include <ATen/ops/zeros_like.h>

#include <nlohmann/json.hpp>

#include "common/base/file_io.h"
#include "worker/trainer/adapters/flat.h"
#include "worker/trainer/adapters/peft_names.h"
#include "worker/trainer/adapters/prefix_projection.h"
#include "worker/trainer/adapters/tensor_file.h"
#include "worker/trainer/formats/json_file.h"

namespace lathe::trainer::adapters {
namespace {

using Json = nlohmann::json;

constexpr char kRows[] = "prompt_embeddings";
/// The network behind the rows, for runs that go on from a saved folder; PEFT does not read it.
constexpr char kProjectionFile[] = "prefix_projection.safetensors";
constexpr std::int64_t kMaxLength = 1 << 16;

/// The views that the passes compute with. gradient may be undefined.
model::PrefixSet ViewsOf(const model::Decoder& decoder, const at::Tensor& rows,
                         const at::Tensor& gradient) {
  const model::ModelDescription& d = decoder.description;
  const auto view = [&](const at::Tensor& tensor, std::int64_t layer, std::int64_t which) {
    if (!tensor.defined()) return at::Tensor();
    return tensor.view({-1, d.layers, 2, d.kv_heads, d.head_dim})
        .select(1, layer)
        .select(1, which)
        .transpose(0, 1);
  };
  model::PrefixSet set;
  for (std::int64_t layer = 0; layer < d.layers; ++layer) {
    set.layers.push_back({view(rows, layer, 0), view(rows, layer, 1), view(gradient, layer, 0),
                          view(gradient, layer, 1)});
  }
  return set;
}

Json Configuration(const model::Decoder& decoder, const PrefixSettings& settings,
                   const std::string& base_model) {
  const model::ModelDescription& d = decoder.description;
  Json projection_size;
  if (settings.projection_size) projection_size = *settings.projection_size;
  return {{"auto_mapping", nullptr},
          {"base_model_name_or_path", base_model},
          {"encoder_hidden_size", projection_size},
          {"inference_mode", true},
          {"init_weights", nullptr},
          {"num_attention_heads", d.kv_heads},
          {"num_layers", d.layers},
          {"num_transformer_submodules", 1},
          {"num_virtual_tokens", settings.length},
          {"peft_type", "PREFIX_TUNING"},
          {"prefix_projection", false},  // The file holds what a projection gives, not the network.
          {"revision", nullptr},
          {"task_type", "CAUSAL_LM"},
          {"token_dim", d.KeyWidth()}};
}

std::function<Status(const std::filesystem::path&, const std::string&)> Saver(
    const model::Decoder& decoder, const PrefixSettings& settings,
    std::function<at::Tensor()> rows) {
  return [&decoder, settings, rows = std::move(rows)](const std::filesystem::path& folder,
                                                      const std::string& base_model) -> Status {
    const NamedTensor tensor{kRows, rows()};
    LATHE_RETURN_IF_ERROR(WriteTensors(folder / kWeightsFile, {&tensor, 1}));
    return WriteFileAtomically(folder / kConfigFile,
                               Configuration(decoder, settings, base_model).dump(2) + "\n");
  };
}

Trainable StartPlain(const model::Decoder& decoder, const PrefixSettings& settings,
                     const at::Tensor& start) {
  const NamedShape shape{kRows, {settings.length, PrefixWidth(decoder)}};
  const FlatStorage flat = AllocateFlat(decoder, {&shape, 1}, Purpose::kTraining);
  const NamedView& view = flat.views[0];
  view.Of(flat.parameters).copy_(start);
  Trainable trainable{.parameters = flat.parameters,
                      .gradients = flat.gradients,
                      .views = flat.views,
                      .additions = {},
                      .exact_file = kWeightsFile};
  trainable.additions.prefix = ViewsOf(decoder, view.Of(flat.compute), view.Of(flat.gradients));
  trainable.refresh = [flat] {
    if (!flat.compute.is_same(flat.parameters)) flat.compute.copy_(flat.parameters);
  };
  trainable.save = Saver(decoder, settings, [flat] { return flat.views[0].Of(flat.parameters); });
  trainable.Refresh();
  return trainable;
}

Trainable StartProjected(const model::Decoder& decoder, const PrefixSettings& settings,
                         const at::Tensor& start, std::uint64_t seed) {
  const PrefixProjection projection(decoder, settings, start, seed);
  Trainable trainable{.parameters = projection.storage().parameters,
                      .gradients = projection.storage().gradients,
                      .views = projection.storage().views,
                      .additions = {},
                      .exact_file = kProjectionFile};
  const at::Tensor rows = projection.Rows().to(decoder.dtype());
  trainable.inner_gradients = at::zeros_like(rows, rows.options().dtype(at::kFloat));
  trainable.additions.prefix = ViewsOf(decoder, rows, trainable.inner_gradients);
  trainable.refresh = [projection, rows] { rows.copy_(projection.Rows()); };
  trainable.finish_gradients = [projection, gradient = trainable.inner_gradients] {
    projection.AddGradients(gradient);
    gradient.zero_();
  };
  const auto network = NamedTensors(trainable);
  trainable.save =
      [network, save_rows = Saver(decoder, settings, [projection] { return projection.Rows(); })](
          const std::filesystem::path& folder, const std::string& base_model) -> Status {
    LATHE_RETURN_IF_ERROR(save_rows(folder, base_model));
    return WriteTensors(folder / kProjectionFile, network);
  };
  return trainable;
}

}  // namespace

std::int64_t PrefixWidth(const model::Decoder& decoder) {
  return decoder.description.layers * 2 * decoder.description.KeyWidth();
}

Trainable StartPrefix(const model::Decoder& decoder, const PrefixSettings& settings,
                      const at::Tensor& rows, std::uint64_t seed) {
  if (settings.projection_size) return StartProjected(decoder, settings, rows, seed);
  return StartPlain(decoder, settings, rows);
}

Result<std::int64_t> ReadPrefixLength(const std::filesystem::path& folder) {
  LATHE_ASSIGN_OR_RETURN(const Json config, formats::ReadJsonObject(folder / kConfigFile));
  const Json length = config.value("num_virtual_tokens", Json());
  if (length.is_number_integer() && length >= 1 && length <= kMaxLength) {
    return length.get<std::int64_t>();
  }
  return Failure(ErrorCode::kInvalidArgument,
                 (folder / kConfigFile).string() + ": num_virtual_tokens is " + length.dump() +
                     ", expected a whole number between 1 and " + std::to_string(kMaxLength));
}

Result<model::Additions> LoadPrefix(const model::Decoder& decoder,
                                    const std::filesystem::path& folder) {
  LATHE_ASSIGN_OR_RETURN(const std::int64_t length, ReadPrefixLength(folder));
  const NamedShape shape{kRows, {length, PrefixWidth(decoder)}};
  const FlatStorage flat = AllocateFlat(decoder, {&shape, 1}, Purpose::kInference);
  const NamedTensor rows{kRows, flat.views[0].Of(flat.parameters)};
  LATHE_RETURN_IF_ERROR(ReadTensors(folder / kWeightsFile, {&rows, 1}));
  flat.compute.copy_(flat.parameters);
  model::Additions additions;
  additions.prefix = ViewsOf(decoder, flat.views[0].Of(flat.compute), {});
  return additions;
}

}  // namespace lathe::trainer::adapters
