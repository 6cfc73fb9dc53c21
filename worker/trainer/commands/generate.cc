#include "worker/trainer/commands/generate.h"

#include <cstdio>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "common/base/clock.h"
#include "worker/trainer/commands/loaded_model.h"
#include "worker/trainer/commands/report.h"
#include "worker/trainer/data/text_model.h"
#include "worker/trainer/device/device.h"
#include "worker/trainer/device/guard.h"
#include "worker/trainer/inference/generate.h"

namespace lathe::trainer::commands {
namespace {

using Json = nlohmann::ordered_json;

Result<Json> ReadConversation(std::istream& in) {
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    return Failure(ErrorCode::kInvalidArgument,
                   "standard input is empty: give a chat as JSON, or plain text");
  }
  Json json = Json::parse(text, nullptr, false);
  if (json.is_object() && json.contains("messages")) return json;
  text.erase(text.find_last_not_of("\r\n") + 1);  // What `echo` adds is not meant.
  return Json{{"messages", Json::array({{{"role", "user"}, {"content", text}}})}};
}

/// Prints what is generated, as text or as lines of JSON, flushed as it comes.
class Printer {
 public:
  explicit Printer(bool json) : json_(json) {}

  void Text(const std::string& text) const {
    if (text.empty()) return;
    Print(json_ ? Json{{"text", text}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"
                : text);
  }
  void Done(const inference::Generation& generation, std::int64_t milliseconds) const {
    if (!json_) return Print("\n");
    const bool stopped = generation.reason == inference::FinishReason::kStop;
    Print(Json{{"done", true},
               {"tokens", generation.tokens},
               {"milliseconds", milliseconds},
               {"finishReason", stopped ? "stop" : "length"}}
              .dump() +
          "\n");
  }
  int Failed(const Error& error) const {
    if (!json_) return Report(error);
    Print(Json{{"error", {{"code", ToString(error.code)}, {"message", error.message}}}}.dump(
              -1, ' ', false, Json::error_handler_t::replace) +
          "\n");
    return ExitCodeOf(error);
  }

 private:
  static void Print(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  bool json_;
};

Status Generate(const GenerateArguments& arguments, const Printer& printer) {
  const SystemClock clock;
  LATHE_ASSIGN_OR_RETURN(const Json conversation, ReadConversation(std::cin));
  LATHE_ASSIGN_OR_RETURN(const at::Device device, device::Open(arguments.device));
  LATHE_ASSIGN_OR_RETURN(const data::TextModel text_model,
                         data::TextModel::Load(arguments.model, {}));
  LATHE_ASSIGN_OR_RETURN(const auto ids, text_model.EncodePrompt(conversation));
  const std::vector<std::int64_t> prompt(ids.begin(), ids.end());
  const bool bf16 = arguments.precision.empty() ? !device.is_cpu() : arguments.precision == "bf16";
  const auto length = static_cast<std::int64_t>(prompt.size());
  LATHE_ASSIGN_OR_RETURN(const LoadedModel loaded,
                         LoadModel(arguments.model, arguments.adapter,
                                   {.dtype = bf16 ? at::kBFloat16 : at::kFloat,
                                    .device = device,
                                    .max_positions = length + arguments.max_tokens}));
  inference::GenerationSettings settings{
      .max_tokens = arguments.max_tokens,
      .sampling = {.temperature = arguments.temperature, .top_p = arguments.top_p},
      .seed = arguments.seed,
      .stop_tokens = loaded.decoder.description.end_tokens};
  const auto& stop = text_model.tokenizer().special_ids().stop;
  settings.stop_tokens.insert(settings.stop_tokens.end(), stop.begin(), stop.end());
  tokenizer::StreamDecoder text(text_model.tokenizer(), tokenizer::ControlTokens::kSkip);
  const MonotonicInstant begin = clock.MonotonicNow();
  const inference::Generation generation = inference::Generate(
      loaded.decoder, loaded.additions, prompt, settings,
      [&](std::int64_t token) { printer.Text(text.Push(static_cast<std::int32_t>(token))); });
  printer.Text(text.Finish());
  printer.Done(generation, (clock.MonotonicNow() - begin).count() / 1000);
  return {};
}

}  // namespace

int RunGenerate(const GenerateArguments& arguments) {
  const Printer printer(arguments.json);
  const Status status = device::Guard([&] { return Generate(arguments, printer); });
  return status ? 0 : printer.Failed(status.error());
}

}  // namespace lathe::trainer::commands
