// Tokenizers written into GGUF files give the ids that they gave before.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "tests/worker/trainer/tokenizer/golden.h"
#include "worker/trainer/merge/writers.h"
#include "worker/trainer/tokenizer/gguf_to_json.h"
#include "worker/trainer/tokenizer/load.h"

namespace lathe::trainer::merge {
namespace {

using nlohmann::json;

class GgufTokenizerTest : public testing::TestWithParam<const char*> {
 protected:
  /// The tokenizer.json of a folder, through a GGUF file without tensors.
  Result<tokenizer::ModelTokenizer> Exported(const std::string& json_text,
                                             std::int64_t vocabulary) {
    const auto folder = dir_.path();
    EXPECT_TRUE(WriteFileAtomically(folder / "tokenizer.json", json_text));
    EXPECT_TRUE(
        WriteFileAtomically(folder / "tokenizer_config.json",
                            R"({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true})"));
    model::ModelDescription description;
    description.vocabulary = vocabulary;
    formats::GgufMetadata metadata;
    LATHE_RETURN_IF_ERROR(AddTokenizer(folder, description, metadata));
    LATHE_ASSIGN_OR_RETURN(auto writer,
                           formats::GgufWriter::Create(folder / "t.gguf", metadata, {}));
    LATHE_RETURN_IF_ERROR(writer.Commit());
    return tokenizer::LoadModelTokenizer(folder / "t.gguf");
  }
  TempDir dir_ = TempDir::Create().value();
};

TEST_P(GgufTokenizerTest, GivesTheSameIds) {
  const auto exported = Exported(tokenizer::GoldenTokenizerJson(GetParam()), 32000);
  ASSERT_TRUE(exported) << exported.error().message;
  const tokenizer::Tokenizer& written = exported->tokenizer;
  EXPECT_EQ(exported->bos_token, "<s>");
  EXPECT_EQ(written.special_ids().eos, 2);
  for (const json& vector : tokenizer::GoldenVectors(GetParam())) {
    const std::string text = vector["text"];
    EXPECT_EQ(json(written.Encode(text).value()), vector["ids"]) << text;
    const auto special = written.Encode(text, tokenizer::SpecialTokens::kAdd).value();
    EXPECT_EQ(json(special), vector["ids_special"]) << text;
  }
}

TEST_P(GgufTokenizerTest, ComesBackAsTokenizerJson) {
  ASSERT_TRUE(Exported(tokenizer::GoldenTokenizerJson(GetParam()), 32000));
  const auto gguf = formats::Gguf::Open(dir_.path() / "t.gguf");
  ASSERT_TRUE(gguf) << gguf.error().message;
  const auto files = tokenizer::TokenizerFilesOf(*gguf);
  ASSERT_TRUE(files) << files.error().message;
  const auto again = tokenizer::Tokenizer::FromJson(files->tokenizer, "again");
  ASSERT_TRUE(again) << again.error().message;
  for (const json& vector : tokenizer::GoldenVectors(GetParam())) {
    const std::string text = vector["text"];
    const auto ids = vector["ids"].get<std::vector<std::int32_t>>();
    EXPECT_EQ(again->Encode(text).value(), ids) << text;
    const auto special = again->Encode(text, tokenizer::SpecialTokens::kAdd).value();
    EXPECT_EQ(json(special), vector["ids_special"]) << text;
    EXPECT_EQ(again->Decode(ids), vector["decoded"].get<std::string>()) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(SentencePieces, GgufTokenizerTest,
                         testing::Values("mistral_v1", "mistral_v1_unprefixed"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST_F(GgufTokenizerTest, WhatHasNoSpellingIsRefused) {
  const auto metaspaced = Exported(tokenizer::GoldenTokenizerJson("mistral_v1_metaspaced"), 32000);
  ASSERT_FALSE(metaspaced);
  EXPECT_THAT(metaspaced.error().message, testing::HasSubstr("no spelling in GGUF"));
  const auto small = Exported(tokenizer::GoldenTokenizerJson("mistral_v1"), 100);
  ASSERT_FALSE(small);
  EXPECT_THAT(small.error().message, testing::HasSubstr("outside the model's vocabulary"));
}

}  // namespace
}  // namespace lathe::trainer::merge
