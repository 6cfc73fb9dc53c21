#include "worker/trainer/commands/inspect.h"

#include <nlohmann/json.hpp>
#include <ostream>

#include "common/base/file_io.h"
#include "worker/trainer/commands/model_shape.h"
#include "worker/trainer/commands/report.h"
#include "worker/trainer/device/guard.h"
#include "worker/trainer/formats/gguf.h"
#include "worker/trainer/formats/safetensors.h"
#include "worker/trainer/model/loader.h"
#include "worker/trainer/tokenizer/load.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t kLongestShownText = 200;

/// Everyday English of some variety, for how long the model's tokens are.
constexpr char kEnglish[] =
    "Could you help me write a short note to my landlord? The heating in our flat has been off "
    "since "
    "Tuesday, and with two small children it is getting difficult. I called twice last week, but "
    "nobody answered. Of course! Here is a polite version: Dear Mr. Ahmed, I am writing to let you "
    "know that the radiators at 14 Mill Road stopped working on 3 March. We would be grateful if "
    "an "
    "engineer could visit before the weekend; I am at home from 4 p.m. onwards. Thank you very "
    "much "
    "for your understanding. To check a boiler, look at the pressure first: it should read between "
    "1.0 and 1.5 bar. If it has dropped, open the filling valve slowly until the needle moves "
    "back.";

/// Nothing when there is no tokenizer beside the model, or none that can be read.
std::optional<double> BytesPerToken(const fs::path& model) {
  const auto loaded = tokenizer::LoadModelTokenizer(model);
  if (!loaded) return std::nullopt;
  const auto ids = loaded->tokenizer.Encode(kEnglish);
  if (!ids || ids->empty()) return std::nullopt;
  return static_cast<double>(sizeof(kEnglish) - 1) / static_cast<double>(ids->size());
}

Json TensorsJson(const std::vector<formats::TensorInfo>& tensors, bool each) {
  std::uint64_t bytes = 0;
  std::map<std::string, int> dtypes;
  Json list = Json::array();
  for (const formats::TensorInfo& tensor : tensors) {
    bytes += tensor.data.size();
    const std::string dtype(formats::ToString(tensor.dtype));
    ++dtypes[dtype];
    if (each) list.push_back({{"name", tensor.name}, {"dtype", dtype}, {"shape", tensor.shape}});
  }
  Json summary = {{"count", tensors.size()}, {"bytes", bytes}, {"dtypes", dtypes}};
  if (each) summary["each"] = std::move(list);
  return summary;
}

std::string Shortened(std::string_view text) {
  if (text.size() <= kLongestShownText) return std::string(text);
  return std::string(text.substr(0, kLongestShownText)) + "... (" + std::to_string(text.size()) +
         " bytes)";
}

/// Lists are told by their length: vocabularies have a hundred thousand entries.
Json MetadataJson(const formats::GgufValue& value) {
  struct Visitor {
    Json operator()(std::int64_t v) const { return v; }
    Json operator()(double v) const { return v; }
    Json operator()(bool v) const { return v; }
    Json operator()(std::string_view v) const { return Shortened(v); }
    Json operator()(const std::vector<std::int64_t>& v) const { return Length(v.size()); }
    Json operator()(const std::vector<double>& v) const { return Length(v.size()); }
    Json operator()(const std::vector<std::string_view>& v) const { return Length(v.size()); }
    static Json Length(std::size_t size) { return "list of " + std::to_string(size); }
  };
  return std::visit(Visitor{}, value);
}

Result<Json> InspectGguf(const InspectArguments& arguments) {
  LATHE_ASSIGN_OR_RETURN(const formats::Gguf gguf, formats::Gguf::Open(arguments.path));
  Json answer = {{"kind", "model"}, {"format", "gguf"}, {"version", gguf.version()}};
  LATHE_ASSIGN_OR_RETURN(const auto description, model::DescribeModel(arguments.path));
  answer["model"] = ShapeJson(ShapeOf(description));
  Json metadata = Json::object();
  for (const auto& [key, value] : gguf.metadata()) metadata[key] = MetadataJson(value);
  answer["metadata"] = std::move(metadata);
  if (const auto bytes = BytesPerToken(arguments.path)) answer["bytesPerToken"] = *bytes;
  answer["tensors"] = TensorsJson(gguf.tensors(), arguments.tensors);
  return answer;
}

Result<Json> InspectTensorFile(const InspectArguments& arguments) {
  LATHE_ASSIGN_OR_RETURN(const auto file, formats::Safetensors::OpenFile(arguments.path));
  return Json{{"kind", "tensors"},
              {"format", "safetensors"},
              {"metadata", file.metadata()},
              {"tensors", TensorsJson(file.tensors(), arguments.tensors)}};
}

Result<Json> ReadJson(const fs::path& path) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  Json json = Json::parse(text, nullptr, false);
  if (json.is_object()) return json;
  return Failure(ErrorCode::kDataLoss, path.string() + " holds no JSON object");
}

Result<Json> InspectModelFolder(const InspectArguments& arguments) {
  Json answer = {{"kind", "model"}, {"format", "safetensors"}};
  LATHE_ASSIGN_OR_RETURN(const auto description, model::DescribeModel(arguments.path));
  answer["model"] = ShapeJson(ShapeOf(description));
  if (const auto bytes = BytesPerToken(arguments.path)) answer["bytesPerToken"] = *bytes;
  LATHE_ASSIGN_OR_RETURN(const auto files, formats::Safetensors::OpenFolder(arguments.path));
  answer["tensors"] = TensorsJson(files.tensors(), arguments.tensors);
  return answer;
}

/// An adapter's folder, or a checkpoint's: a JSON file that says what it is, and tensor files.
Result<Json> InspectFolder(const InspectArguments& arguments, const char* kind,
                           const char* description) {
  LATHE_ASSIGN_OR_RETURN(const Json told, ReadJson(arguments.path / description));
  Json answer = {{"kind", kind}, {"description", told}, {"files", Json::object()}};
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::recursive_directory_iterator entry(arguments.path, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".safetensors") files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    LATHE_ASSIGN_OR_RETURN(const auto opened, formats::Safetensors::OpenFile(file));
    answer["files"][fs::relative(file, arguments.path, error).string()] =
        TensorsJson(opened.tensors(), arguments.tensors);
  }
  return answer;
}

Result<Json> Inspect(const InspectArguments& arguments) {
  const fs::path& path = arguments.path;
  std::error_code error;
  if (!fs::exists(path, error)) {
    return Failure(ErrorCode::kNotFound, "there is no file or folder " + path.string());
  }
  if (path.extension() == ".gguf") return InspectGguf(arguments);
  if (path.extension() == ".safetensors") return InspectTensorFile(arguments);
  if (fs::exists(path / "adapter_config.json", error)) {
    return InspectFolder(arguments, "adapter", "adapter_config.json");
  }
  if (fs::exists(path / "progress.json", error)) {
    return InspectFolder(arguments, "checkpoint", "progress.json");
  }
  if (fs::exists(path / "config.json", error)) return InspectModelFolder(arguments);
  return Failure(
      ErrorCode::kInvalidArgument,
      path.string() +
          " is none of: a .gguf or .safetensors file, a folder with config.json (model), "
          "adapter_config.json (adapter) or progress.json (checkpoint)");
}

/// Nested objects as indented lines.
void Print(const Json& value, const std::string& indent, std::ostream& out) {
  for (const auto& [key, entry] : value.items()) {
    out << indent << key << ':';
    if (entry.is_object() && !entry.empty()) {
      out << '\n';
      Print(entry, indent + "  ", out);
    } else {
      out << ' ' << (entry.is_string() ? entry.get<std::string>() : entry.dump()) << '\n';
    }
  }
}

}  // namespace

int RunInspect(const InspectArguments& arguments, std::ostream& out) {
  const auto answer = device::Guard([&] { return Inspect(arguments); });
  if (!answer) return Report(answer.error());
  if (arguments.json) {
    out << answer->dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  } else {
    Print(*answer, "", out);
  }
  return trainer_protocol::kExitSucceeded;
}

}  // namespace lathe::trainer::commands
