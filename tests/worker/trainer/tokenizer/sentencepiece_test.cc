#include "worker/trainer/tokenizer/sentencepiece.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/file_io.h"
#include "common/base/random.h"
#include "common/base/temp_dir.h"
#include "tests/worker/trainer/tokenizer/golden.h"
#include "worker/trainer/tokenizer/load.h"

namespace lathe::trainer::tokenizer {
namespace {

class SentencePieceGolden : public testing::TestWithParam<const char*> {};

TEST_P(SentencePieceGolden, IdsAndTextEqualTheReference) {
  const auto tokenizer =
      Tokenizer::FromSentencePiece(GoldenSentencePiece(GetParam()), "tokenizer.model");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  for (const auto& vector : GoldenVectors(GetParam())) {
    const auto text = vector["text"].get<std::string>();
    const auto ids = vector["ids"].get<std::vector<std::int32_t>>();
    EXPECT_EQ(tokenizer->Encode(text).value(), ids) << vector["i"] << ": " << text;
    EXPECT_EQ(tokenizer->Encode(text, SpecialTokens::kAdd).value(),
              vector["ids_special"].get<std::vector<std::int32_t>>());
    EXPECT_EQ(tokenizer->Decode(ids), vector["decoded"].get<std::string>());
  }
}
INSTANTIATE_TEST_SUITE_P(Models, SentencePieceGolden, testing::Values("mistral_v1", "mistral_v3"));

TEST(SentencePiece, BytesThatAreNoTextBecomeReplacementsTogether) {
  const auto tokenizer =
      Tokenizer::FromSentencePiece(GoldenSentencePiece("mistral_v1"), "m").value();
  const std::int32_t half = tokenizer.IdOf("<0xE4>").value();
  const std::int32_t letter = tokenizer.IdOf("<0x41>").value();
  EXPECT_EQ(tokenizer.Decode(std::vector{letter, half}), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(tokenizer.Decode(std::vector{letter}), "A");
}

TEST(SentencePiece, AFolderWithoutTokenizerJsonIsReadFromItsModel) {
  const TempDir dir = TempDir::Create().value();
  ASSERT_TRUE(
      WriteFileAtomically(dir.path() / "tokenizer.model", GoldenSentencePiece("mistral_v1")));
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "tokenizer_config.json", R"({
    "add_bos_token": true, "add_eos_token": true, "bos_token": "<s>", "eos_token": "</s>",
    "added_tokens_decoder": {
      "2": {"content": "</s>", "rstrip": true, "normalized": false, "special": true},
      "32000": {"content": "<|end|>", "special": true, "normalized": false}}})"));
  const ModelTokenizer loaded = LoadModelTokenizer(dir.path()).value();
  EXPECT_THAT(loaded.tokenizer.Encode("<|end|>", SpecialTokens::kAdd).value(),
              testing::ElementsAre(1, 32000, 2));
  EXPECT_THAT(loaded.tokenizer.Encode("</s>  ").value(), testing::ElementsAre(2));
  EXPECT_EQ(loaded.tokenizer.special_ids().eos, 2);
}

TEST(SentencePiece, DamagedFilesAreRefusedWithoutHarm) {
  const std::string whole = GoldenSentencePiece("mistral_v3");
  EXPECT_EQ(Tokenizer::FromSentencePiece("", "m").error().code, ErrorCode::kDataLoss);
  Random random(11);
  for (int round = 0; round < 60; ++round) {
    std::string damaged = whole.substr(0, random.Below(round < 20 ? 200 : whole.size()));
    for (int i = 0; i < 8 && !damaged.empty(); ++i) {
      damaged[random.Below(damaged.size())] = static_cast<char>(random.Below(256));
    }
    const auto made = Tokenizer::FromSentencePiece(damaged, "the file");
    if (made) continue;
    EXPECT_THAT(made.error().message, testing::StartsWith("the file"));
  }
}

}  // namespace
}  // namespace lathe::trainer::tokenizer
