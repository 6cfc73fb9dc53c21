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
