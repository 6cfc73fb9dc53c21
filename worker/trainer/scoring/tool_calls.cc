#include "worker/trainer/scoring/tool_calls.h"

#include <algorithm>

#include "worker/trainer/scoring/forms.h"

namespace lathe::trainer::scoring {
namespace {

using Json = nlohmann::json;
using Ordered = nlohmann::ordered_json;

/// Two calls of words that no template has.
std::vector<ToolCall> Probes() {
  return {{"probe_tool_a", {{"probe_key_a", "probe_value_a"}, {"probe_key_b", "probe_value_b"}}},
          {"probe_tool_b", {{"probe_key_c", "probe_value_c"}, {"probe_key_d", "probe_value_d"}}}};
}

/// One of all that JSON has.
ToolCall Difficult() {
  return {"probe_tool_a",
          {{"text", "a \"quoted\" {brace}\nand a line"},
           {"list", {1, 2.5, true, nullptr}},
           {"object", {{"key", "\u00e9\u65e5"}}}}};
}

enum class Arguments : std::uint8_t { kObject, kText };

/// As rows of data have them.
Ordered AsRow(const std::vector<ToolCall>& calls, Arguments as) {
  Ordered list = Ordered::array();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    Ordered arguments = Ordered::parse(calls[i].arguments.dump());
    if (as == Arguments::kText) arguments = calls[i].arguments.dump();
    // Some templates want an id, and one of nine letters and digits.
    list.push_back({{"id", "call0000" + std::to_string(i + 1)},
                    {"type", "function"},
                    {"function", {{"name", calls[i].name}, {"arguments", std::move(arguments)}}}});
  }
  return list;
}

std::optional<Renderings> RenderProbes(const ToolCallFormat::Renderer& render, Arguments as) {
  Renderings renderings;
  renderings.calls = Probes();
  const auto one = render(AsRow({renderings.calls[0]}, as));
  if (!one) return std::nullopt;
  renderings.one = *one;
  renderings.both = render(AsRow(renderings.calls, as));
  renderings.bare = render(AsRow({ToolCall{renderings.calls[0].name, Json::object()}}, as));
  return renderings;
}

/// What the assistant says in a conversation that ends with its calls, up to where it stops.
std::optional<std::string> RenderAnswer(const data::TextModel& model, const Ordered& calls,
                                        const Ordered& content) {
  Ordered tools = Ordered::array();
  for (const Ordered& call : calls) {
    tools.push_back({{"type", "function"},
                     {"function",
                      {{"name", call["function"]["name"]},
                       {"description", "A tool."},
                       {"parameters", {{"type", "object"}, {"properties", Ordered::object()}}}}}});
  }
  const Ordered conversation = {
      {"messages",
       {{{"role", "user"}, {"content", "Go."}},
        {{"role", "assistant"}, {"content", content}, {"tool_calls", calls}}}},
      {"tools", std::move(tools)}};
  const auto chat = model.EncodeChat(conversation);
  if (!chat || !chat->assistant_mask) return std::nullopt;
  std::vector<std::int32_t> said;
  const auto& stop = model.tokenizer().special_ids().stop;
  for (std::size_t i = 0; i < chat->ids.size(); ++i) {
    if ((*chat->assistant_mask)[i] == 0) continue;
    if (std::find(stop.begin(), stop.end(), chat->ids[i]) != stop.end()) break;
    said.push_back(chat->ids[i]);
  }
  return model.tokenizer().Decode(said);
}

}  // namespace

bool SameCalls(const std::vector<ToolCall>& left, const std::vector<ToolCall>& right) {
  return std::is_permutation(left.begin(), left.end(), right.begin(), right.end());
}

std::vector<ToolCall> ToolCallFormat::Read(std::string_view text) const {
  return std::visit([&](const auto& form) { return ReadCalls(form, text); }, form_);
}

std::optional<ToolCallFormat> ToolCallFormat::Learn(const Renderer& render) {
  for (const Arguments as : {Arguments::kObject, Arguments::kText}) {
    const auto renderings = RenderProbes(render, as);
    if (!renderings) continue;
    const auto works = [&](const ToolCallFormat& format, bool any_value) {
      if (format.Read(renderings->one) != std::vector{renderings->calls[0]}) return false;
      if (renderings->both && format.Read(*renderings->both) != renderings->calls) return false;
      const auto difficult = any_value ? render(AsRow({Difficult()}, as)) : std::nullopt;
      return !difficult || format.Read(*difficult) == std::vector{Difficult()};
    };
    const auto attempt = [&](auto form, bool any_value) -> std::optional<ToolCallFormat> {
      if (!form) return std::nullopt;
      ToolCallFormat format(*std::move(form));
      return works(format, any_value) ? std::optional(std::move(format)) : std::nullopt;
    };
    if (auto format = attempt(LearnObject(*renderings), true)) return format;
    if (auto format = attempt(LearnNamed(*renderings), true)) return format;
    if (auto format = attempt(LearnPython(*renderings), true)) return format;
    // Between marks, what is no JSON is told from JSON by its looks only.
    if (auto format = attempt(LearnMarked(*renderings), false)) return format;
  }
  return std::nullopt;
}

std::optional<ToolCallFormat> ToolCallFormat::Learn(const data::TextModel& model) {
  // Templates differ in what they take for an answer that says nothing else.
  for (const Ordered& content : {Ordered(""), Ordered(nullptr)}) {
    const auto render = [&](const Ordered& calls) { return RenderAnswer(model, calls, content); };
    if (auto format = Learn(render)) return format;
  }
  return std::nullopt;
}

std::vector<ToolCallFormat> ToolCallFormat::Common() {
  return {
      ToolCallFormat(ObjectForm{"name", "arguments", "<tool_call>", "</tool_call>"}),
      ToolCallFormat(NamedForm{"<function=", ">", "</function>"}),
      ToolCallFormat(ObjectForm{"name", "arguments", "[TOOL_CALLS]", ""}),
      ToolCallFormat(NamedForm{"[TOOL_CALLS]", "[ARGS]", ""}),
      ToolCallFormat(ObjectForm{"name", "parameters", "<|python_tag|>", ""}),
      ToolCallFormat(PythonForm{"<|python_tag|>", ""}),
      ToolCallFormat(PythonForm{"<|python_start|>", "<|python_end|>"}),
      ToolCallFormat(PythonForm{"", ""}),
  };
}

std::optional<ToolCallFormat> ToolCallFormat::Choose(const data::TextModel& model,
                                                     std::span<const std::string> answers) {
  const auto is_used = [&](const ToolCallFormat& format) {
    return std::any_of(answers.begin(), answers.end(),
                       [&](const std::string& answer) { return !format.Read(answer).empty(); });
  };
  auto learnt = Learn(model);
  if (learnt && is_used(*learnt)) return learnt;
  for (const ToolCallFormat& common : Common()) {
    if (is_used(common)) return common;
  }
  return learnt;
}

}  // namespace lathe::trainer::scoring
