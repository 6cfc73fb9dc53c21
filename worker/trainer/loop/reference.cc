#include "worker/trainer/loop/reference.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>

#include "worker/trainer/formats/safetensors.h"
#include "worker/trainer/objectives/preference.h"

namespace lathe::trainer::loop {
namespace {

constexpr char kFile[] = "reference.safetensors";
constexpr char kTensor[] = "log_probabilities";
constexpr char kIdentity[] = "identity";

std::vector<double> Measure(const ReferenceInput& input, const std::vector<Example>& examples,
                            std::span<const std::size_t> indices) {
  const Batch batch = MakeBatch(examples, indices, input.decoder.device());
  const model::Additions none;
  const model::PassOptions options;
  const model::PassContext pass{input.decoder, none, batch.inputs, options};
  return objectives::LogProbabilities(pass, model::ForwardLayers(pass, nullptr), batch.targets);
}

/// Leaves 0 where it is another process's turn.
bool MeasureAll(const ReferenceInput& input, std::size_t group, std::vector<Example>& examples,
                const std::function<bool()>& stop) {
  std::vector<std::size_t> indices(examples.size());
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  const std::size_t size = static_cast<std::size_t>(input.batch_size) * group;
  const auto processes = static_cast<std::size_t>(input.processes.size());
  for (std::size_t begin = 0; begin < indices.size(); begin += size) {
    if (stop()) return false;
    if (begin / size % processes != static_cast<std::size_t>(input.processes.rank())) continue;
    const std::size_t count = std::min(size, indices.size() - begin);
    const auto values = Measure(input, examples, std::span(indices).subspan(begin, count));
    for (std::size_t i = 0; i < count; ++i) examples[begin + i].reference = values[i];
  }
  return true;
}

/// All examples' values, training first.
std::vector<double> Collect(const Dataset& data) {
  std::vector<double> values;
  for (const auto* examples : {&data.train, &data.validation}) {
    for (const Example& example : *examples) values.push_back(example.reference);
  }
  return values;
}

void Spread(const std::vector<double>& values, Dataset& data) {
  auto next = values.begin();
  for (auto* examples : {&data.train, &data.validation}) {
    for (Example& example : *examples) example.reference = *next++;
  }
}

/// False when there is no sound file for this run.
bool Read(const std::filesystem::path& path, const ReferenceInput& input, Dataset& data) {
  const auto file = formats::Safetensors::OpenFile(path);
  if (!file) return false;
  const auto identity = file->metadata().find(kIdentity);
  const formats::TensorInfo* tensor = file->Find(kTensor);
  std::vector<double> values(data.train.size() + data.validation.size());
  if (identity == file->metadata().end() || identity->second != input.identity ||
      tensor == nullptr || tensor->dtype != formats::DType::kF64 ||
      tensor->data.size() != values.size() * sizeof(double)) {
    return false;
  }
  std::memcpy(values.data(), tensor->data.data(), tensor->data.size());
  Spread(values, data);
  return true;
}

}  // namespace

Result<bool> MeasureReference(const ReferenceInput& input, Dataset& data,
                              const std::function<bool()>& stop) {
  const distributed::Group& processes = input.processes;
  const std::filesystem::path path = input.output / kFile;
  const bool found = processes.Any(processes.leads() && Read(path, input, data));
  if (!found) {
    const bool done = MeasureAll(input, data.group, data.train, stop) &&
                      MeasureAll(input, data.group, data.validation, stop);
    model::AwaitOthers(input.decoder);
    if (processes.Any(!done)) return false;
  }
  // Each value is 0 in all processes but the one that read or measured it.
  std::vector<double> values = Collect(data);
  processes.Sum(values);
  Spread(values, data);
  if (found || !processes.leads()) return true;
  const formats::TensorInfo tensor{kTensor,
                                   formats::DType::kF64,
                                   {static_cast<std::int64_t>(values.size())},
                                   std::as_bytes(std::span(values))};
  LATHE_RETURN_IF_ERROR(
      formats::WriteSafetensors(path, {&tensor, 1}, {{kIdentity, input.identity}}));
  return true;
}

}  // namespace lathe::trainer::loop
