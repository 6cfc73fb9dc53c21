#include "worker/trainer/commands/generate.h"

#include <algorithm>
#include <istream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <ostream>

#include "common/base/clock.h"
#include "common/base/file_io.h"
#include "common/json/parse_json.h"
#include "worker/trainer/commands/generation_options.h"
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

std::string Dump(const Json& json) {
  return ToText(json) + "\n";
}

/// null for the base.
Json NameOf(const Speaker& speaker) {
  return speaker.is_base() ? Json() : Json(speaker.name);
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
  void Done(const Speaker& speaker, const inference::Generation& generation,
            std::int64_t milliseconds) const {
    if (!json_) return Print("\n");
    Print(Dump({{"done", true},
                {"adapter", NameOf(speaker)},
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
                {"adapter", NameOf(speaker)},
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
    Json told = {{"code", ToString(error.code)}, {"message", error.message}};
    for (const Finding& finding : error.findings) {
      told["findings"].push_back({{"path", finding.path},
                                  {"code", finding.code},
                                  {"message", finding.message},
                                  {"given", finding.given},
                                  {"expected", finding.expected}});
    }
    Print(Dump({{"error", told}}));
    return ExitCodeOf(error);
  }

 private:
  void Print(const std::string& text) const { out_ << text << std::flush; }

  bool json_;
  std::ostream& out_;
};

struct Session {
  data::TextModel text_model;
  std::vector<Prompt> prompts;
  Speakers speakers;
  LoadedModel loaded;
  inference::GenerationSettings settings;
  std::vector<std::string> stop = {};

  /// Those that answer a prompt.
  std::vector<std::size_t> AskedBy(const Prompt& prompt) const {
    if (prompt.speaker) return {*prompt.speaker};
    std::vector<std::size_t> asked(speakers.asked());
    std::iota(asked.begin(), asked.end(), 0U);
    return asked;
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
  if (auto findings = CheckGeneration(arguments); !findings.empty()) {
    return Failure(Error{ErrorCode::kInvalidArgument, "no answer can be generated like that",
                         std::move(findings)});
  }
  LATHE_ASSIGN_OR_RETURN(const at::Device device, device::Open(arguments.device));
  LATHE_ASSIGN_OR_RETURN(Speakers speakers, Speakers::Parse(arguments.speakers));
  LATHE_ASSIGN_OR_RETURN(data::TextModel text_model, LoadTextModel(arguments));
  LATHE_ASSIGN_OR_RETURN(auto prompts, ReadPrompts(arguments, text_model, in, speakers));
  std::size_t longest = 0;
  for (const Prompt& prompt : prompts) longest = std::max(longest, prompt.tokens.size());
  const bool bf16 = arguments.precision.empty() ? !device.is_cpu() : arguments.precision == "bf16";
  LATHE_ASSIGN_OR_RETURN(
      LoadedModel loaded,
      LoadModel(arguments.model, speakers.folders(),
                {.dtype = bf16 ? at::kBFloat16 : at::kFloat,
                 .device = device,
                 .max_positions = static_cast<std::int64_t>(longest) + arguments.max_tokens}));
  LATHE_RETURN_IF_ERROR(CheckSpeakers(speakers, loaded));
  inference::GenerationSettings settings{
      .max_tokens = arguments.max_tokens,
      .sampling = {.temperature = arguments.temperature,
                   .top_k = arguments.top_k,
                   .top_p = arguments.top_p,
                   .repetition_penalty = arguments.repetition_penalty},
      .seed = static_cast<std::uint64_t>(arguments.seed),
      .stop_tokens = loaded.decoder.description.end_tokens};
  const auto& stop = text_model.tokenizer().special_ids().stop;
  settings.stop_tokens.insert(settings.stop_tokens.end(), stop.begin(), stop.end());
  return Session{std::move(text_model), std::move(prompts),  std::move(speakers),
                 std::move(loaded),     std::move(settings), arguments.stop};
}

/// One speaker's answer to the first prompt, printed token by token.
Status AnswerOne(const Session& session, std::size_t speaker, const Printer& printer) {
  const SystemClock clock;
  const MonotonicInstant begin = clock.MonotonicNow();
  const model::Additions additions = AdditionsOf(session.speakers.all()[speaker], session.loaded);
  AnswerText text(session.text_model.tokenizer(), session.stop);
  const inference::Generation generation =
      inference::Generate(session.loaded.decoder, additions, {session.prompts[0].tokens},
                          session.settings, {.token = [&](std::size_t, std::int64_t token) {
                            printer.Text(text.Push(token));
                            return !text.ended();
                          }})[0];
  printer.Text(text.Finish());
  LATHE_RETURN_IF_ERROR(CheckFinite(generation));
  printer.Done(session.speakers.all()[speaker], generation,
               (clock.MonotonicNow() - begin).count() / 1000);
  return {};
}

struct Count {
  std::size_t answers = 0;
  std::int64_t tokens = 0;
};

/// One speaker's answers to some of the prompts, by their numbers.
Status AnswerSome(const Session& session, std::size_t speaker,
                  const std::vector<std::size_t>& numbers, const Printer& printer, Count& count) {
  // Taken anew for each lot of prompts, so that a thousand compositions never lie in memory at
  // once.
  const model::Additions additions = AdditionsOf(session.speakers.all()[speaker], session.loaded);
  std::vector<std::vector<std::int64_t>> prompts;
  for (const std::size_t number : numbers) prompts.push_back(session.prompts[number].tokens);
  std::vector<AnswerText> texts(numbers.size(),
                                AnswerText(session.text_model.tokenizer(), session.stop));
  std::vector<std::string> said(numbers.size());
  const auto generated =
      inference::Generate(session.loaded.decoder, additions, prompts, session.settings,
                          {.token = [&](std::size_t i, std::int64_t token) {
                            said[i] += texts[i].Push(token);
                            return !texts[i].ended();
                          }});
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    LATHE_RETURN_IF_ERROR(CheckFinite(generated[i]));
    ++count.answers;
    count.tokens += generated[i].tokens;
    printer.Answer(session.speakers.all()[speaker], numbers[i], said[i] + texts[i].Finish(),
                   generated[i]);
  }
  return {};
}

/// Every prompt by everyone that it asks.
Result<Count> AnswerAll(const Session& session, const Printer& printer) {
  Count count;
  for (std::size_t begin = 0; begin < session.prompts.size(); begin += kTogether) {
    const std::size_t end = std::min(begin + kTogether, session.prompts.size());
    std::vector<std::vector<std::size_t>> numbers(session.speakers.all().size());
    for (std::size_t number = begin; number < end; ++number) {
      for (const std::size_t speaker : session.AskedBy(session.prompts[number])) {
        numbers[speaker].push_back(number);
      }
    }
    for (std::size_t speaker = 0; speaker < numbers.size(); ++speaker) {
      if (numbers[speaker].empty()) continue;
      LATHE_RETURN_IF_ERROR(AnswerSome(session, speaker, numbers[speaker], printer, count));
    }
  }
  return count;
}

Status Generate(const GenerateArguments& arguments, std::istream& in, const Printer& printer) {
  LATHE_ASSIGN_OR_RETURN(const Session session, Open(arguments, in));
  if (!arguments.prompts) {
    const auto asked = session.AskedBy(session.prompts[0]);
    if (asked.size() == 1) return AnswerOne(session, asked[0], printer);
  }
  const SystemClock clock;
  const MonotonicInstant begin = clock.MonotonicNow();
  LATHE_ASSIGN_OR_RETURN(const Count count, AnswerAll(session, printer));
  printer.AllDone(count.answers, count.tokens, (clock.MonotonicNow() - begin).count() / 1000);
  return {};
}

}  // namespace

int RunGenerate(const GenerateArguments& arguments, std::istream& in, std::ostream& out) {
  const Printer printer(arguments.json, out);
  const Status status = device::Guard([&] { return Generate(arguments, in, printer); });
  return status ? 0 : printer.Failed(status.error());
}

}  // namespace lathe::trainer::commands
