#include "worker/trainer/commands/logits.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstring>

#include "worker/trainer/commands/loaded_model.h"
#include "worker/trainer/commands/report.h"
#include "worker/trainer/commands/speakers.h"
#include "worker/trainer/device/device.h"
#include "worker/trainer/device/guard.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::trainer::commands {
namespace {

using formats::DType;
using formats::TensorInfo;

template <class Stored>
void Widen(const TensorInfo& tensor, at::Tensor& to) {
  auto* out = static_cast<std::int64_t*>(to.data_ptr());
  for (std::int64_t i = 0; i < to.numel(); ++i) {
    Stored value{};
    std::memcpy(&value, tensor.data.data() + static_cast<std::size_t>(i) * sizeof value,
                sizeof value);
    out[i] = static_cast<std::int64_t>(value);
  }
}

/// An integer matrix [B, T] as int64.
Result<at::Tensor> ReadMatrix(const formats::Safetensors& file, const std::string& path,
                              const char* name) {
  const TensorInfo* tensor = file.Find(name);
  const auto fail = [&](const std::string& message) {
    return Failure(ErrorCode::kInvalidArgument, path + ": " + name + " " + message);
  };
  if (tensor == nullptr) return fail("is missing");
  if (tensor->shape.size() != 2 || tensor->shape[0] < 1 || tensor->shape[1] < 1) {
    return fail("has shape " + formats::ShapeToString(tensor->shape) + ", expected [B, T]");
  }
  at::Tensor matrix = at::empty(tensor->shape, at::kLong);
  if (tensor->dtype == DType::kI64) {
    Widen<std::int64_t>(*tensor, matrix);
  } else if (tensor->dtype == DType::kI32) {
    Widen<std::int32_t>(*tensor, matrix);
  } else if (tensor->dtype == DType::kBool || tensor->dtype == DType::kU8) {
    Widen<std::uint8_t>(*tensor, matrix);
  } else {
    return fail("has type " + std::string(formats::ToString(tensor->dtype)) +
                ", expected I64 or I32");
  }
  return matrix;
}

struct Input {
  at::Tensor ids;  ///< [B, T]
  std::vector<std::int64_t> lengths;
};

Result<Input> ReadInput(const std::filesystem::path& path) {
  LATHE_ASSIGN_OR_RETURN(const auto file, formats::Safetensors::OpenFile(path));
  Input input;
  LATHE_ASSIGN_OR_RETURN(input.ids, ReadMatrix(file, path.string(), "input_ids"));
  LATHE_ASSIGN_OR_RETURN(const at::Tensor mask, ReadMatrix(file, path.string(), "attention_mask"));
  if (mask.sizes() != input.ids.sizes()) {
    return Failure(ErrorCode::kInvalidArgument,
                   path.string() + ": attention_mask and input_ids differ in shape");
  }
  const auto* values = static_cast<const std::int64_t*>(mask.data_ptr());
  const std::int64_t width = mask.size(1);
  for (std::int64_t row = 0; row < mask.size(0); ++row, values += width) {
    const auto* end = std::find(values, values + width, 0);
    if (end == values || std::any_of(end, values + width, [](auto v) { return v != 0; })) {
      return Failure(ErrorCode::kInvalidArgument,
                     path.string() + ": row " + std::to_string(row) +
                         " of attention_mask is not ones followed by zeros (padding is on the "
                         "right)");
    }
    input.lengths.push_back(end - values);
  }
  return input;
}

Status CheckIds(const Input& input, std::int64_t vocabulary, const std::string& path) {
  const auto* ids = static_cast<const std::int64_t*>(input.ids.data_ptr());
  const auto* bad = std::find_if(ids, ids + input.ids.numel(),
                                 [&](std::int64_t id) { return id < 0 || id >= vocabulary; });
  if (bad == ids + input.ids.numel()) return {};
  return Failure(ErrorCode::kInvalidArgument, path + ": token " + std::to_string(*bad) +
                                                  " is outside the vocabulary of " +
                                                  std::to_string(vocabulary));
}

Status WriteLogits(const at::Tensor& logits, const std::filesystem::path& path) {
  const TensorInfo tensor{"logits",
                          DType::kF32,
                          logits.sizes().vec(),
                          {static_cast<const std::byte*>(logits.data_ptr()), logits.nbytes()}};
  return formats::WriteSafetensors(path, {&tensor, 1}, {});
}

Status Compute(const LogitsArguments& arguments) {
  LATHE_ASSIGN_OR_RETURN(const at::Device device, device::Open(arguments.device));
  LATHE_ASSIGN_OR_RETURN(const Input input, ReadInput(arguments.input));
  LATHE_ASSIGN_OR_RETURN(const Speakers speakers, Speakers::Parse(arguments.speakers));
  LATHE_ASSIGN_OR_RETURN(
      const LoadedModel loaded,
      LoadModel(arguments.model, speakers.folders(),
                {.dtype = arguments.precision == "bf16" ? at::kBFloat16 : at::kFloat,
                 .device = device,
                 .max_positions = input.ids.size(1)}));
  const model::Decoder& decoder = loaded.decoder;
  LATHE_RETURN_IF_ERROR(CheckSpeakers(speakers, loaded));
  const model::Additions additions = AdditionsOf(speakers.all()[0], loaded);
  const std::int64_t vocabulary = decoder.description.vocabulary;
  LATHE_RETURN_IF_ERROR(CheckIds(input, vocabulary, arguments.input.string()));
  at::Tensor logits = at::zeros({input.ids.size(0), input.ids.size(1), vocabulary}, at::kFloat);
  for (std::size_t row = 0; row < input.lengths.size(); ++row) {
    const std::int64_t length = input.lengths[row];
    const auto index = static_cast<std::int64_t>(row);
    const model::MicroBatch batch{
        .tokens = input.ids.select(0, index).narrow(0, 0, length).to(device),
        .positions = at::arange(length, at::kLong).to(device),
        .lengths = {length}};
    const at::Tensor hidden = model::ForwardLayers({decoder, additions, batch, {}}, nullptr);
    logits.select(0, index).narrow(0, 0, length).copy_(model::Logits(decoder, additions, hidden));
  }
  return WriteLogits(logits, arguments.output);
}

}  // namespace

int RunLogits(const LogitsArguments& arguments) {
  const Status status = device::Guard([&] { return Compute(arguments); });
  return status ? 0 : Report(status.error());
}

}  // namespace lathe::trainer::commands
