#include "worker/trainer/scoring/tool_calls.h"

#include <gmock/gmock.h>

#include "tests/worker/trainer/data/golden_model.h"

namespace lathe::trainer::scoring {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

/// A model whose template makes this of each answer.
data::TextModel ModelOf(const std::string& answer) {
  tokenizer::ModelTokenizer model{
      tokenizer::LoadGoldenTokenizer("smollm2"),
      "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}" + answer +
          "<|im_end|>{% endgeneration %}{% else %}{{ m.content }}\n{% endif %}{% endfor %}",
      "", "<|im_end|>"};
  tokenizer::SpecialIds ids;
  ids.stop = {*model.tokenizer.IdOf("<|im_end|>")};
  model.tokenizer.SetSpecialIds(ids);
  return data::TextModel::Create(std::move(model), {}).value();
}

/// The ways in which families of models write calls, shortened.
constexpr char kList[] =
    "{% if m.tool_calls %}[TOOL_CALLS] [{% for c in m.tool_calls %}{\"name\": \"{{ c.function.name "
    "}}\", \"arguments\": {{ c.function.arguments | tojson }}, \"id\": \"{{ c.id }}\"}{{ ', ' if "
    "not loop.last }}{% endfor %}]{% else %}{{ m.content }}{% endif %}";
constexpr char kBare[] =
    "{% if m.tool_calls %}{% if m.tool_calls | length != 1 %}{{ raise_exception('one') }}{% endif "
    "%}{\"name\": \"{{ m.tool_calls[0].function.name }}\", \"parameters\": {{ "
    "m.tool_calls[0].function.arguments | tojson }}}{% else %}{{ m.content }}{% endif %}";
constexpr char kNamed[] =
    "{% if m.tool_calls %}<calls>{% for c in m.tool_calls %}<call>function<sep>{{ c.function.name "
    "}}\n```json\n{{ c.function.arguments }}\n```</call>{% endfor %}</calls>{% endif %}";
constexpr char kMarked[] =
    "{{ m.content or '' }}{% for c in m.tool_calls %}<tool_call>\n<function={{ c.function.name "
    "}}>\n{% for k, v in c.function.arguments | items %}<parameter={{ k }}>\n{{ v if v is string "
    "else v | tojson }}\n</parameter>\n{% endfor %}</function>\n</tool_call>\n{% endfor %}";

TEST(ToolCalls, AsQwenWritesThem) {
  const auto format = ToolCallFormat::Learn(data::GoldenModel("qwen3", "chat_template"));
  ASSERT_TRUE(format);
  EXPECT_THAT(
      format->Read("<think>\nhm {\"name\": 1}\n</think>\n\nI look.\n<tool_call>\n"
                   "{\"arguments\": {\"b\": [1], \"a\": \"x\"}, \"name\": \"f\"}\n"
                   "</tool_call>\n<tool_call>{\"name\":\"g\",\"arguments\":{}}</tool_call>"),
      ElementsAre(ToolCall{"f", {{"a", "x"}, {"b", {1}}}}, ToolCall{"g", Json::object()}));
  EXPECT_THAT(format->Read("{\"name\": \"f\", \"arguments\": {}}"), IsEmpty()) << "no marks";
  EXPECT_THAT(format->Read("<tool_call>\n{\"name\": \"f\", \"arguments\": {}}"), IsEmpty());
  EXPECT_THAT(format->Read("<tool_call>\n{\"name\": \"f\", \"argum"), IsEmpty());
  EXPECT_THAT(format->Read("Nothing to call."), IsEmpty());
  EXPECT_THAT(format->Read(""), IsEmpty());
  // Arguments as a text of JSON, as rows of data often have them.
  EXPECT_THAT(format->Read("<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}"
                           "</tool_call>"),
              ElementsAre(ToolCall{"f", {{"a", 1}}}));
}

TEST(ToolCalls, InAList) {
  const auto format = ToolCallFormat::Learn(ModelOf(kList));
  ASSERT_TRUE(format);
  EXPECT_THAT(format->Read("[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": "
                           "\"x\"}, {\"name\": \"g\", \"arguments\": {\"b\": 2.0}}]"),
              ElementsAre(ToolCall{"f", {{"a", 1}}}, ToolCall{"g", {{"b", 2}}}));
  EXPECT_THAT(format->Read("[{\"name\": \"f\", \"arguments\": {}}]"), IsEmpty());
}

TEST(ToolCalls, OneATurnAndUnderAnotherKey) {
  const auto format = ToolCallFormat::Learn(ModelOf(kBare));
  ASSERT_TRUE(format);
  EXPECT_THAT(format->Read("{\"name\": \"f\", \"parameters\": {\"a\": 1}}"),
              ElementsAre(ToolCall{"f", {{"a", 1}}}));
  EXPECT_THAT(format->Read("{\"name\": \"f\", \"arguments\": {\"a\": 1}}"), IsEmpty());
}

TEST(ToolCalls, NamesInFrontOfJson) {
  const auto format = ToolCallFormat::Learn(ModelOf(kNamed));
  ASSERT_TRUE(format);
  EXPECT_THAT(format->Read("<calls><call>function<sep>f\n```json\n{\"a\": {\"b\": 1}}\n```</call>"
                           "<call>function<sep>get_it\n```json\n{}\n```</call></calls>"),
              ElementsAre(ToolCall{"f", {{"a", {{"b", 1}}}}}, ToolCall{"get_it", Json::object()}));
  EXPECT_THAT(format->Read("f\n```json\n{\"a\": 1}\n```"), IsEmpty());
}

TEST(ToolCalls, BetweenMarks) {
  const auto format = ToolCallFormat::Learn(ModelOf(kMarked));
  ASSERT_TRUE(format);
  EXPECT_THAT(
      format->Read("So.<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\n"
                   "two\nlines\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n"
                   "<function=g>\n</function>\n</tool_call>"),
      ElementsAre(ToolCall{"f", {{"a", 1}, {"b", "two\nlines"}}}, ToolCall{"g", Json::object()}));
  EXPECT_THAT(format->Read("<function=f>\n<parameter=a>\n1\n"), IsEmpty());
  EXPECT_THAT(format->Read("<tool_call>\n<function=f"), IsEmpty());
}

TEST(ToolCalls, BehindTagsWithAName) {
  const auto llama = ToolCallFormat::Learn(ModelOf(
      "{% for c in m.tool_calls %}<function={{ c.function.name }}>{{ c.function.arguments | "
      "tojson }}</function>{% endfor %}"));
  ASSERT_TRUE(llama);
  EXPECT_THAT(llama->Read("<function=f>{\"a\": {}}</function><function=g>{}</function>"),
              ElementsAre(ToolCall{"f", {{"a", Json::object()}}}, ToolCall{"g", Json::object()}));
  const auto mistral = ToolCallFormat::Learn(
      ModelOf("{% for c in m.tool_calls %}[TOOL_CALLS]{{ c.function.name }}[ARGS]{{ "
              "c.function.arguments | tojson }}{% endfor %}"));
  ASSERT_TRUE(mistral);
  EXPECT_THAT(mistral->Read("[TOOL_CALLS]f[ARGS]{\"a\": [1]}[TOOL_CALLS]g[ARGS]{}"),
              ElementsAre(ToolCall{"f", {{"a", {1}}}}, ToolCall{"g", Json::object()}));
  EXPECT_THAT(mistral->Read("f[ARGS]{}"), IsEmpty());
}

TEST(ToolCalls, AsPython) {
  const auto format = ToolCallFormat::Learn(
      ModelOf("{{ m.content or '' }}{% if m.tool_calls %}<|python_start|>[{% for c in m.tool_calls "
              "%}{{ c.function.name }}({% for k, v in c.function.arguments | items %}{{ k }}={{ v "
              "| tojson }}{{ ', ' if not loop.last }}{% endfor %}){{ ', ' if not loop.last }}{% "
              "endfor %}]<|python_end|>{% endif %}"));
  ASSERT_TRUE(format);
  EXPECT_THAT(
      format->Read("So.\n<|python_start|>[get_weather(city='Paris', days=3), g()]<|python_end|>"),
      ElementsAre(ToolCall{"get_weather", {{"city", "Paris"}, {"days", 3}}},
                  ToolCall{"g", Json::object()}));
  EXPECT_THAT(format->Read("[f(a=1)]"), IsEmpty()) << "no marks";
  EXPECT_THAT(format->Read("<|python_start|>[f(a=1)]"), IsEmpty()) << "not whole";
  EXPECT_THAT(format->Read("<|python_start|>[f(a=1), g(]<|python_end|>"), IsEmpty());
}

std::string FormsThatRead(const std::string& text) {
  std::string forms;
  for (const ToolCallFormat& format : ToolCallFormat::Common()) {
    const auto calls = format.Read(text);
    forms += calls == std::vector{ToolCall{"f", {{"a", "x"}}}} ? '+' : calls.empty() ? '.' : '?';
  }
  return forms;
}

TEST(ToolCalls, CommonForms) {
  EXPECT_EQ(FormsThatRead("Hm.<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"x\"}}\n"
                          "</tool_call>"),
            "+.......");
  EXPECT_EQ(FormsThatRead("<function=f>{\"a\": \"x\"}</function>"), ".+......");
  EXPECT_EQ(FormsThatRead("[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": \"x\"}}]"),
            "..+.....");
  EXPECT_EQ(FormsThatRead("[TOOL_CALLS]f[ARGS]{\"a\": \"x\"}"), "...+....");
  EXPECT_EQ(FormsThatRead("<|python_tag|>{\"name\": \"f\", \"parameters\": {\"a\": \"x\"}}"),
            "....+...");
  EXPECT_EQ(FormsThatRead("<|python_tag|>f(a='x')"), ".....+..");
  EXPECT_EQ(FormsThatRead("<|python_start|>[f(a='x')]<|python_end|>"), "......+.");
  EXPECT_EQ(FormsThatRead(" [f(a=\"x\")]\n"), ".......+");
  EXPECT_EQ(FormsThatRead("Call [f(a=\"x\")]"), "........") << "words are not a call";
  EXPECT_EQ(FormsThatRead("[f(a=\"x\")] or so"), "........");
  EXPECT_EQ(FormsThatRead(""), "........");
}

TEST(ToolCalls, AreChosenByWhatAnswersHave) {
  const auto qwen = data::GoldenModel("qwen3", "chat_template");
  const std::vector<ToolCall> call = {{"f", {{"a", "x"}}}};
  const std::string own =
      "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"x\"}}\n</tool_call>";
  const std::string python = "[f(a='x')]";
  const auto choose = [](const data::TextModel& model, const std::vector<std::string>& answers) {
    return ToolCallFormat::Choose(model, answers);
  };
  EXPECT_EQ(choose(qwen, {"No.", python, own})->Read(own), call);
  EXPECT_EQ(choose(qwen, {"No."})->Read(own), call);
  EXPECT_EQ(choose(qwen, {"No.", python})->Read(python), call);
  const auto silent = data::GoldenModel("smollm2", "chat_template");
  EXPECT_EQ(choose(silent, {"No.", python})->Read(python), call);
  EXPECT_EQ(choose(silent, {"No.", own})->Read(own), call);
  EXPECT_FALSE(choose(silent, {"No.", "f(a) is [1]."}));
}

TEST(ToolCalls, ATemplateThatWritesNoneTeachesNothing) {
  EXPECT_TRUE(ToolCallFormat::Learn(data::GoldenModel("qwen3", "training_template")));
  EXPECT_FALSE(ToolCallFormat::Learn(data::GoldenModel("smollm2", "chat_template")));
  EXPECT_FALSE(ToolCallFormat::Learn(ModelOf("{{ raise_exception('no tools') }}")));
  EXPECT_FALSE(ToolCallFormat::Learn(ModelOf("{{ m.tool_calls[0].function.name }}")));
}

TEST(ToolCalls, TheOrderOfCallsDoesNotMatter) {
  const std::vector<ToolCall> calls = {{"f", {{"a", 1}, {"b", 2}}}, {"g", Json::object()}};
  EXPECT_TRUE(SameCalls(calls, {calls[1], {"f", {{"b", 2}, {"a", 1}}}}));
  EXPECT_FALSE(SameCalls(calls, {calls[0], calls[0]}));
  EXPECT_FALSE(SameCalls(calls, {calls[0]}));
  EXPECT_FALSE(SameCalls({}, {calls[0]}));
}

}  // namespace
}  // namespace lathe::trainer::scoring
