#include "worker/trainer/commands/generate.h"

#include <algorithm>
#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "common/base/clock.h"
#include "common/base/file_io.h"
#include "worker/trainer/commands/loaded_model.h"
#include "worker/trainer/commands/prompts.h"
#include "worker/trainer/commands/report.h"
#include "worker/trainer/device/device.h"
#include "worker/trainer/device/guard.h"
#include "worker/trainer/inference/generate.h"
#include "worker/trainer/inference/stop_texts.h"

namespace lathe::trainer::commands {
namespace {

using Json = nlohmann::ordered_json;

/// Answers that are computed at the same time.
constexpr std::size_t kTogether = 16;

/// Who answers: the base alone, or with an adapter.
struct Speaker {
  std::string name;
  std::optional<std::size_t> adapter;  ///< its index
};

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

const char* ReasonOf(const inference::Generation& generation) {
  return generation.reason == inference::FinishReason::kStop ? "stop" : "length";
}

/// The text of one answer, token by token.
class AnswerText {
 public:
  AnswerText(const tokenizer::Tokenizer& tokenizer, const std::vector<std::string>& stop)
      : decoder_(tokenizer, tokenizer::ControlTokens::kSkip), stop_(stop) {}

  /// What can be shown with this token.
  std::string Push(std::int64_t token) {
    return stop_.Push(decoder_.Push(static_cast<std::int32_t>(token)));
  }
  /// Whether a stop text has come.
  bool ended() const { return stop_.found(); }
  /// The rest.
  std::string Finish() {
    std::string text = stop_.Push(decoder_.Finish());
    return text + stop_.Finish();
  }

 private:
  tokenizer::StreamDecoder decoder_;
  inference::StopTexts stop_;
};

Status CheckFinite(const inference::Generation& generation) {
  if (generation.reason != inference::FinishReason::kNotFinite) return {};
  return Failure(
      ErrorCode::kInvalidArgument,
      "the model computes no numbers (NaN) as the scores of its next token; its weights, "
      "or those of the adapter, are not finite or too large for the precision");
}

/// Prints what is generated, as text or as lines of JSON, flushed as it comes.
class Printer {
 public:
  Printer(bool json, std::ostream& out) : json_(json), out_(out) {}

  void Text(const std::string& text) const {
    if (text.empty()) return;
    Print(json_ ? Dump({{"text", text}}) : text);
  }
  void Done(const inference::Generation& generation, std::int64_t milliseconds) const {
    if (!json_) return Print("\n");
    Print(Dump({{"done", true},
                {"tokens", generation.tokens},
                {"milliseconds", milliseconds},
                {"finishReason", ReasonOf(generation)}}));
  }
  /// One of several answers.
  void Answer(const Speaker& speaker, std::size_t prompt, const std::string& text,
              const inference::Generation& generation) const {
    if (!json_) {
      return Print("[" + std::to_string(prompt + 1) + "] " + speaker.name + "\n" + text + "\n\n");
    }
    Print(Dump({{"prompt", prompt},
                {"adapter", speaker.adapter ? Json(speaker.name) : Json()},
                {"text", text},
                {"tokens", generation.tokens},
                {"finishReason", ReasonOf(generation)}}));
  }
  void AllDone(std::size_t answers, std::int64_t tokens, std::int64_t milliseconds) const {
    if (!json_) return;
    Print(Dump({{"done", true},
                {"answers", answers},
                {"tokens", tokens},
                {"milliseconds", milliseconds}}));
  }
  int Failed(const Error& error) const {
    if (!json_) return Report(error);
    Print(Dump({{"error", {{"code", ToString(error.code)}, {"message", error.message}}}}));
    return ExitCodeOf(error);
  }

 private:
  void Print(const std::string& text) const { out_ << text << std::flush; }

  bool json_;
  std::ostream& out_;
};

/// "NAME=DIR", or a folder that is called by its own name.
std::pair<std::string, std::filesystem::path> NameAndFolder(const std::string& given) {
  const std::size_t at = given.find('=');
  std::error_code error;
  if (at != std::string::npos && at > 0 && !std::filesystem::exists(given, error)) {
    return {given.substr(0, at), given.substr(at + 1)};
  }
  return {given, given};
}

struct Session {
  data::TextModel text_model;
  std::vector<std::vector<std::int64_t>> prompts;
  std::vector<Speaker> speakers;
  LoadedModel loaded;
  inference::GenerationSettings settings;
  std::vector<std::string> stop = {};

  model::Additions nothing = {};

  const model::Additions& AdditionsOf(const Speaker& speaker) const {
    return speaker.adapter ? loaded.additions[*speaker.adapter] : nothing;
  }
};

Result<data::TextModel> LoadTextModel(const GenerateArguments& arguments) {
  data::ChatSettings chat;
  if (arguments.chat_template) {
    LATHE_ASSIGN_OR_RETURN(chat.chat_template, ReadFile(*arguments.chat_template));
  }
  return data::TextModel::Load(arguments.model, chat);
}

Result<Session> Open(const GenerateArguments& arguments, std::istream& in) {
  LATHE_ASSIGN_OR_RETURN(const at::Device device, device::Open(arguments.device));
  LATHE_ASSIGN_OR_RETURN(data::TextModel text_model, LoadTextModel(arguments));
  LATHE_ASSIGN_OR_RETURN(auto prompts, ReadPrompts(arguments, text_model, in));
  std::vector<Speaker> speakers;
  std::vector<std::filesystem::path> folders;
  if (arguments.with_base || arguments.adapters.empty()) speakers.push_back({"base", {}});
  for (const std::string& given : arguments.adapters) {
    const auto [name, folder] = NameAndFolder(given);
    speakers.push_back({name, folders.size()});
    folders.push_back(folder);
  }
  std::size_t longest = 0;
  for (const auto& prompt : prompts) longest = std::max(longest, prompt.size());
  const bool bf16 = arguments.precision.empty() ? !device.is_cpu() : arguments.precision == "bf16";
  LATHE_ASSIGN_OR_RETURN(
      LoadedModel loaded,
      LoadModel(arguments.model, folders,
                {.dtype = bf16 ? at::kBFloat16 : at::kFloat,
                 .device = device,
                 .max_positions = static_cast<std::int64_t>(longest) + arguments.max_tokens}));
  if (loaded.replaced && arguments.with_base) {
    return Failure(ErrorCode::kInvalidArgument,
                   "--with-base: " + folders[0].string() +
                       " is a whole model, beside which the base is not loaded; ask it by itself");
  }
  inference::GenerationSettings settings{
      .max_tokens = arguments.max_tokens,
      .sampling = {.temperature = arguments.temperature,
                   .top_k = arguments.top_k,
                   .top_p = arguments.top_p,
                   .repetition_penalty = arguments.repetition_penalty},
      .seed = arguments.seed,
      .stop_tokens = loaded.decoder.description.end_tokens};
  const auto& stop = text_model.tokenizer().special_ids().stop;
  settings.stop_tokens.insert(settings.stop_tokens.end(), stop.begin(), stop.end());
  return Session{std::move(text_model), std::move(prompts),  std::move(speakers),
                 std::move(loaded),     std::move(settings), arguments.stop};
}

/// One answer, printed token by token.
Status AnswerOne(const Session& session, const Printer& printer) {
  const SystemClock clock;
  const MonotonicInstant begin = clock.MonotonicNow();
  AnswerText text(session.text_model.tokenizer(), session.stop);
  const inference::Generation generation = inference::Generate(
      session.loaded.decoder, session.AdditionsOf(session.speakers[0]), session.prompts,
      session.settings, {.token = [&](std::size_t, std::int64_t token) {
        printer.Text(text.Push(token));
        return !text.ended();
      }})[0];
  printer.Text(text.Finish());
  LATHE_RETURN_IF_ERROR(CheckFinite(generation));
  printer.Done(generation, (clock.MonotonicNow() - begin).count() / 1000);
  return {};
}

/// Every prompt by every speaker; returns how many tokens that were.
Result<std::int64_t> AnswerAll(const Session& session, const Printer& printer) {
  std::int64_t tokens = 0;
  for (std::size_t begin = 0; begin < session.prompts.size(); begin += kTogether) {
    const std::size_t count = std::min(kTogether, session.prompts.size() - begin);
    const auto first = session.prompts.begin() + static_cast<std::ptrdiff_t>(begin);
    const std::vector<std::vector<std::int64_t>> prompts(
        first, first + static_cast<std::ptrdiff_t>(count));
    for (const Speaker& speaker : session.speakers) {
      std::vector<AnswerText> texts(count,
                                    AnswerText(session.text_model.tokenizer(), session.stop));
      std::vector<std::string> said(count);
      const auto generated =
          inference::Generate(session.loaded.decoder, session.AdditionsOf(speaker), prompts,
                              session.settings, {.token = [&](std::size_t i, std::int64_t token) {
                                said[i] += texts[i].Push(token);
                                return !texts[i].ended();
                              }});
      for (std::size_t i = 0; i < count; ++i) {
        LATHE_RETURN_IF_ERROR(CheckFinite(generated[i]));
        tokens += generated[i].tokens;
        printer.Answer(speaker, begin + i, said[i] + texts[i].Finish(), generated[i]);
      }
    }
  }
  return tokens;
}

Status Generate(const GenerateArguments& arguments, std::istream& in, const Printer& printer) {
  LATHE_ASSIGN_OR_RETURN(const Session session, Open(arguments, in));
  if (!arguments.prompts && session.speakers.size() == 1) {
    return AnswerOne(session, printer);
  }
  const SystemClock clock;
  const MonotonicInstant begin = clock.MonotonicNow();
  LATHE_ASSIGN_OR_RETURN(const std::int64_t tokens, AnswerAll(session, printer));
  printer.AllDone(session.prompts.size() * session.speakers.size(), tokens,
                  (clock.MonotonicNow() - begin).count() / 1000);
  return {};
}

}  // namespace

int RunGenerate(const GenerateArguments& arguments, std::istream& in, std::ostream& out) {
  const Printer printer(arguments.json, out);
  const Status status = device::Guard([&] { return Generate(arguments, in, printer); });
  return status ? 0 : printer.Failed(status.error());
}

}  // namespace lathe::trainer::commands
