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
  /// A folder's tokenizer in one file, through a GGUF file without tensors.
  Result<tokenizer::ModelTokenizer> Exported(const std::string& file, const std::string& content,
                                             std::int64_t vocabulary) {
    const auto folder = dir_.path();
    EXPECT_TRUE(WriteFileAtomically(folder / file, content));
    EXPECT_TRUE(WriteFileAtomically(folder / "tokenizer_config.json", config_));
    model::ModelDescription description;
    description.vocabulary = vocabulary;
    formats::GgufMetadata metadata;
    LATHE_ASSIGN_OR_RETURN(notes_, AddTokenizer(folder, description, metadata));
    LATHE_ASSIGN_OR_RETURN(auto writer,
                           formats::GgufWriter::Create(folder / "t.gguf", metadata, {}));
    LATHE_RETURN_IF_ERROR(writer.Commit());
    return tokenizer::LoadModelTokenizer(folder / "t.gguf");
  }
  Result<tokenizer::ModelTokenizer> Exported(const std::string& json_text,
                                             std::int64_t vocabulary) {
    return Exported("tokenizer.json", json_text, vocabulary);
  }
  std::string config_ = R"({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true})";
  Notes notes_;
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

class GgufSentencePieceTest : public GgufTokenizerTest {};

TEST_P(GgufSentencePieceTest, ATokenizerModelGivesTheSameIds) {
  const auto exported =
      Exported("tokenizer.model", tokenizer::GoldenSentencePiece(GetParam()), 33000);
  ASSERT_TRUE(exported) << exported.error().message;
  EXPECT_TRUE(notes_.empty());
  EXPECT_EQ(exported->bos_token, "<s>");
  EXPECT_EQ(exported->tokenizer.special_ids().eos, 2);
  EXPECT_EQ(exported->tokenizer.vocabulary_size(), 33000) << "with padding";
  for (const json& vector : tokenizer::GoldenVectors(GetParam())) {
    const std::string text = vector["text"];
    const auto ids = exported->tokenizer.Encode(text, tokenizer::SpecialTokens::kAdd).value();
    EXPECT_EQ(json(ids), vector["ids_special"]) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GgufSentencePieceTest, testing::Values("mistral_v1", "mistral_v3"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST_F(GgufTokenizerTest, WhatTheConfigurationAddsToATokenizerModelIsThere) {
  config_ = R"({"bos_token": "<s>", "added_tokens_decoder": {
      "0": {"content": "<unk>", "special": true}, "32000": {"content": "<|im_end|>", "special": true},
      "32001": {"content": "<x>", "special": false}}})";
  const auto exported =
      Exported("tokenizer.model", tokenizer::GoldenSentencePiece("mistral_v1"), 32002);
  ASSERT_TRUE(exported) << exported.error().message;
  const auto ids = exported->tokenizer.Encode("<x><|im_end|>").value();
  EXPECT_THAT(ids, testing::ElementsAre(32001, 32000));
  EXPECT_TRUE(exported->tokenizer.IsControl(32000));
  EXPECT_FALSE(exported->tokenizer.IsControl(32001));
}

TEST_F(GgufTokenizerTest, MetaspacesAreSpelledAndWhatDiffersIsTold) {
  const std::string metaspaced = tokenizer::GoldenTokenizerJson("mistral_v1_metaspaced");
  const auto exported = Exported(metaspaced, 32000);
  ASSERT_TRUE(exported) << exported.error().message;
  ASSERT_EQ(notes_.size(), 1U);
  EXPECT_THAT(notes_[0], testing::HasSubstr("follows a special token"));
  int compared = 0;
  for (const json& vector : tokenizer::GoldenVectors("mistral_v1_metaspaced")) {
    const std::string text = vector["text"];
    const bool told = text.find("<s>") != std::string::npos || text.starts_with(' ') ||
                      text.find("</s>") != std::string::npos || text.starts_with("\u2581");
    if (told) continue;
    ++compared;
    EXPECT_EQ(json(exported->tokenizer.Encode(text).value()), vector["ids"]) << text;
  }
  EXPECT_GT(compared, 100);
  config_ = R"({"add_prefix_space": false})";
  const auto unprefixed = Exported(metaspaced, 32000);
  ASSERT_TRUE(unprefixed);
  // As the chat templates of such models need it: nothing before a text behind a special token.
  const auto own = tokenizer::Tokenizer::FromJson(metaspaced, "own").value();
  EXPECT_EQ(unprefixed->tokenizer.Encode("<s>Hello there").value(),
            own.Encode("<s>Hello there").value());
  json never = json::parse(metaspaced);
  never["pre_tokenizer"]["prepend_scheme"] = "never";
  ASSERT_TRUE(Exported(never.dump(), 32000));
  EXPECT_TRUE(notes_.empty());
}

TEST_F(GgufTokenizerTest, AByteLevelTokenizerComesBackFromAFolderMadeOfAFile) {
  const auto first = Exported(tokenizer::GoldenTokenizerJson("smollm2"), 49152);
  ASSERT_TRUE(first) << first.error().message;
  const auto files = tokenizer::TokenizerFilesOf(*formats::Gguf::Open(dir_.path() / "t.gguf"));
  ASSERT_TRUE(files) << files.error().message;
  const auto second = Exported(files->tokenizer, 49152);
  ASSERT_TRUE(second) << second.error().message;
  for (const json& vector : tokenizer::GoldenVectors("smollm2")) {
    const std::string text = vector["text"];
    EXPECT_EQ(json(second->tokenizer.Encode(text).value()), vector["ids"]) << text;
  }
}

TEST_F(GgufTokenizerTest, WhatHasNoSpellingIsRefused) {
  json split = json::parse(tokenizer::GoldenTokenizerJson("mistral_v1_metaspaced"));
  split["pre_tokenizer"]["split"] = true;
  const auto words = Exported(split.dump(), 32000);
  ASSERT_FALSE(words) << "pieces over words, which llama.cpp would use";
  EXPECT_THAT(words.error().message, testing::HasSubstr("no spelling in GGUF"));
  const auto small = Exported(tokenizer::GoldenTokenizerJson("mistral_v1"), 100);
  ASSERT_FALSE(small);
  EXPECT_THAT(small.error().message, testing::HasSubstr("outside the model's vocabulary"));
}

}  // namespace
}  // namespace lathe::trainer::merge
