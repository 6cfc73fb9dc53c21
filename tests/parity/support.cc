#include "tests/parity/support.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "common/base/check.h"
#include "common/base/file_io.h"
#include "worker/trainer/formats/dequantize.h"

namespace lathe::parity {
namespace {

using trainer::formats::DType;
using trainer::formats::Safetensors;
using trainer::formats::TensorInfo;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  LATHE_CHECK(value != nullptr, name);
  return value;
}

template <class Stored>
std::vector<double> Widen(const TensorInfo& tensor) {
  std::vector<double> values(tensor.data.size() / sizeof(Stored));
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored value{};
    std::memcpy(&value, tensor.data.data() + i * sizeof value, sizeof value);
    values[i] = static_cast<double>(value);
  }
  return values;
}

}  // namespace

std::filesystem::path Golden(const std::string& name) {
  return std::filesystem::path(Environment("LATHE_SOURCE_DIR")) / "tests/golden" / name;
}

std::vector<double> Values(const Safetensors& file, const std::string& name) {
  const TensorInfo* tensor = file.Find(name);
  if (tensor == nullptr) return {};
  if (tensor->dtype == DType::kI64) return Widen<std::int64_t>(*tensor);
  if (tensor->dtype == DType::kI32) return Widen<std::int32_t>(*tensor);
  std::vector<float> values(
      static_cast<std::size_t>(*trainer::formats::ElementCount(tensor->shape)));
  const auto done =
      trainer::formats::DequantizeRows(*tensor, {0, trainer::formats::RowCount(*tensor)}, values);
  LATHE_CHECK(done.has_value(), name);
  return {values.begin(), values.end()};
}

Safetensors Open(const std::filesystem::path& path) {
  auto file = Safetensors::OpenFile(path);
  LATHE_CHECK(file.has_value(), path.string());
  return std::move(*file);
}

nlohmann::json ReadJson(const std::filesystem::path& path) {
  const auto text = ReadFile(path);
  LATHE_CHECK(text.has_value(), path.string());
  return nlohmann::json::parse(*text);
}

std::filesystem::path DemoModel() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::filesystem::path base = cache != nullptr
                                         ? std::filesystem::path(cache)
                                         : std::filesystem::path(home ? home : "") / ".cache";
  return base / "lathe/models/smollm2-135m-instruct.gguf";
}

std::vector<nlohmann::json> ReadEvents(const std::filesystem::path& path) {
  const auto text = ReadFile(path);
  LATHE_CHECK(text.has_value(), path.string());
  std::istringstream stream(*text);
  std::vector<nlohmann::json> events;
  for (std::string line; std::getline(stream, line);) {
    events.push_back(nlohmann::json::parse(line));
  }
  return events;
}

std::vector<double> ReadLosses(const std::filesystem::path& path) {
  std::vector<double> losses;
  for (const nlohmann::json& event : ReadEvents(path)) {
    if (event["type"] == "metric") losses.push_back(event["loss"].get<double>());
  }
  return losses;
}

std::filesystem::path WriteTinyPlan(const std::filesystem::path& root, const std::string& output,
                                    const nlohmann::json& configuration) {
  nlohmann::json paths = {{"baseModel", Golden("models/llama_tiny")},
                          {"train", root / "train.jsonl"},
                          {"output", root / output}};
  if (const auto path = root / "validation.jsonl"; std::filesystem::exists(path)) {
    paths["validation"] = path;
  }
  const nlohmann::json plan = {{"planVersion", 1}, {"jobId", "tiny"},
                               {"attempt", 1},     {"device", "cpu"},
                               {"paths", paths},   {"configuration", configuration}};
  const std::filesystem::path path = root / (output + ".json");
  std::ofstream(path) << plan.dump();
  return path;
}

ChildProcess StartTrainer(const std::vector<std::string>& arguments) {
  auto child = ChildProcess::Start(
      {.program = std::filesystem::path(Environment("LATHE_BINARY_DIR")) / "lathe-trainer",
       .arguments = arguments,
       .environment = {{"OMP_WAIT_POLICY", "passive"}},
       .working_directory = {},
       .standard_error = 2});
  LATHE_CHECK(child.has_value(), "lathe-trainer does not start");
  return *child;
}

ExitStatus RunTrainer(const std::vector<std::string>& arguments) {
  return StartTrainer(arguments).Wait();
}

}  // namespace lathe::parity
