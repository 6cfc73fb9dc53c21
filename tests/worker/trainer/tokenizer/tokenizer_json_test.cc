#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/random.h"
#include "tests/worker/trainer/tokenizer/golden.h"
#include "worker/trainer/tokenizer/tokenizer.h"

namespace lathe::trainer::tokenizer {
namespace {

using nlohmann::json;

json Small() {
  return json::parse(R"({
    "added_tokens": [{"id": 5, "content": "<s>", "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A"}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [5], "tokens": ["<s>"]}}},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "\u0120": 3, "\u0120a": 4},
              "merges": ["a b", ["\u0120", "a"]]}
  })");
}

Result<Tokenizer> Read(const json& file) {
  return Tokenizer::FromJson(file.dump(), "t.json");
}

TEST(TokenizerJson, ReadsBothSpellingsOfMergesAndTheTemplate) {
  const Tokenizer tokenizer = Read(Small()).value();
  EXPECT_THAT(tokenizer.Encode("ab a").value(), testing::ElementsAre(2, 4));
  EXPECT_THAT(tokenizer.Encode("ab", SpecialTokens::kAdd).value(), testing::ElementsAre(5, 2));
  EXPECT_THAT(tokenizer.Encode("<s>b").value(), testing::ElementsAre(5, 1));
}

TEST(TokenizerJson, AddsThePrefixSpace) {
  json file = Small();
  file["pre_tokenizer"]["add_prefix_space"] = true;
  const Tokenizer tokenizer = Read(file).value();
  const Encoding encoding = tokenizer.EncodeWithRanges("a").value();
  EXPECT_THAT(encoding.ids, testing::ElementsAre(4));
  EXPECT_THAT(encoding.ranges, testing::ElementsAre(ByteRange{0, 1}));
  EXPECT_THAT(tokenizer.Encode(" a").value(), testing::ElementsAre(4));
}

TEST(TokenizerJson, UnsupportedPartsAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"([{"op":"replace","path":"/normalizer","value":{"type":"Lowercase"}}])", "Lowercase"},
      {R"([{"op":"replace","path":"/pre_tokenizer","value":{"type":"BertPreTokenizer"}}])",
       "BertPreTokenizer"},
      {R"([{"op":"replace","path":"/pre_tokenizer","value":{"type":"Sequence","pretokenizers":[
            {"type":"Metaspace"},{"type":"ByteLevel","add_prefix_space":false}]}}])",
       "Metaspace"},
      {R"([{"op":"replace","path":"/pre_tokenizer","value":null}])", "decoder ByteLevel"},
      {R"([{"op":"replace","path":"/model/type","value":"Unigram"}])", "Unigram"},
      {R"([{"op":"add","path":"/normalizer","value":{"type":"Precompiled"}}])", "Precompiled"},
      {R"([{"op":"replace","path":"/decoder/type","value":"WordPiece"}])", "WordPiece"},
      {R"([{"op":"replace","path":"/post_processor/type","value":"BertProcessing"}])", "Bert"},
      {R"([{"op":"replace","path":"/model/merges","value":["ab"]}])", "merge"},
      {R"([{"op":"replace","path":"/model/vocab/a","value":-4}])", "-4"},
      {R"([{"op":"replace","path":"/model/vocab/a","value":"x"}])", "malformed"},
      {R"([{"op":"remove","path":"/model"}])", "model.vocab"},
      {R"([{"op":"replace","path":"/added_tokens","value":[{"id":1}]}])", "added_tokens"},
  };
  for (const auto& [patch, reason] : cases) {
    const auto made = Read(Small().patch(json::parse(patch)));
    ASSERT_FALSE(made) << patch;
    EXPECT_THAT(made.error().message, testing::HasSubstr(reason));
    EXPECT_THAT(made.error().message, testing::HasSubstr("t.json"));
  }
  EXPECT_FALSE(Tokenizer::FromJson("{", "t.json"));
  EXPECT_FALSE(Tokenizer::FromJson("[]", "t.json"));
}

TEST(TokenizerJson, MutatedFilesNeverCrash) {
  const std::string sound = Small().dump();
  Random random(4);
  for (int round = 0; round < 2000; ++round) {
    std::string text = sound;
    for (std::uint64_t i = 0; i < 1 + random.Below(3); ++i) {
      text[random.Below(text.size())] = static_cast<char>(32 + random.Below(95));
    }
    const auto made = Tokenizer::FromJson(text, "t.json");
    if (made) {
      EXPECT_TRUE(made->Encode("ab a<s>"));
    }
  }
}

}  // namespace
}  // namespace lathe::trainer::tokenizer
