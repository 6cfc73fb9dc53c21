#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "common/base/temp_dir.h"
#include "tests/worker/trainer/formats/test_files.h"
#include "tests/worker/trainer/tokenizer/golden.h"
#include "worker/trainer/tokenizer/gguf_to_json.h"
#include "worker/trainer/tokenizer/load.h"

namespace lathe::trainer::tokenizer {
namespace {

using formats::Put;
using formats::PutString;

/// Metadata of a GGUF file with the vocabulary of a golden tokenizer.
class GgufBuilder {
 public:
  void String(std::string_view key, std::string_view value) {
    Begin(key, 8);
    PutString(body_, value);
  }
  void Integer(std::string_view key, std::uint32_t value) {
    Begin(key, 4);
    Put(body_, value);
  }
  void Strings(std::string_view key, const std::vector<std::string>& values) {
    Begin(key, 9);
    Put<std::uint32_t>(body_, 8);
    Put<std::uint64_t>(body_, values.size());
    for (const std::string& value : values) PutString(body_, value);
  }
  void Integers(std::string_view key, const std::vector<std::int32_t>& values) {
    Begin(key, 9);
    Put<std::uint32_t>(body_, 5);
    Put<std::uint64_t>(body_, values.size());
    for (const std::int32_t value : values) Put(body_, value);
  }
  void Floats(std::string_view key, const std::vector<float>& values) {
    Begin(key, 9);
    Put<std::uint32_t>(body_, 6);
    Put<std::uint64_t>(body_, values.size());
    for (const float value : values) Put(body_, value);
  }
  void Bool(std::string_view key, bool value) {
    Begin(key, 7);
    Put<std::uint8_t>(body_, value ? 1 : 0);
  }
  Result<ModelTokenizer> Load() { return LoadModelTokenizer(Write()); }
  /// The same as Hugging Face's files, in a folder.
  Result<ModelTokenizer> LoadAsFolder() {
    LATHE_ASSIGN_OR_RETURN(const auto gguf, formats::Gguf::Open(Write()));
    LATHE_ASSIGN_OR_RETURN(const TokenizerFiles files, TokenizerFilesOf(gguf));
    formats::WriteQuickly(dir_.path() / "tokenizer.json", files.tokenizer);
    formats::WriteQuickly(dir_.path() / "tokenizer_config.json", files.config);
    return LoadModelTokenizer(dir_.path());
  }

 private:
  std::filesystem::path Write() const {
    formats::WriteQuickly(dir_.path() / "m.gguf", formats::GgufHeader(3, 0, keys_) + body_);
    return dir_.path() / "m.gguf";
  }
  void Begin(std::string_view key, std::uint32_t type) {
    ++keys_;
    PutString(body_, key);
    Put(body_, type);
  }
  TempDir dir_ = TempDir::Create().value();
  std::string body_;
  std::uint64_t keys_ = 0;
};

void AddGolden(const std::string& name, GgufBuilder& builder) {
  const auto file = nlohmann::json::parse(GoldenTokenizerJson(name));
  std::vector<std::string> tokens(file["model"]["vocab"].size() + file["added_tokens"].size());
  std::vector<std::int32_t> types(tokens.size(), 1);
  for (const auto& [token, id] : file["model"]["vocab"].items()) tokens[id] = token;
  for (const auto& token : file["added_tokens"]) {
    tokens[token["id"]] = token["content"];
    types[token["id"]] = token["special"] ? 3 : 4;
  }
  while (tokens.back().empty()) tokens.pop_back();
  types.resize(tokens.size());
  std::vector<std::string> merges;
  for (const auto& merge : file["model"]["merges"]) {
    merges.push_back(merge.is_string()
                         ? merge.get<std::string>()
                         : merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  builder.String("tokenizer.ggml.model", "gpt2");
  builder.Strings("tokenizer.ggml.tokens", tokens);
  builder.Integers("tokenizer.ggml.token_type", types);
  builder.Strings("tokenizer.ggml.merges", merges);
}

class GgufGolden : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(GgufGolden, IdsEqualTheReference) {
  GgufBuilder builder;
  AddGolden(GetParam().first, builder);
  builder.String("tokenizer.ggml.pre", GetParam().second);
  const auto loaded = builder.Load();
  ASSERT_TRUE(loaded) << loaded.error().message;
  for (const auto& vector : GoldenVectors(GetParam().first)) {
    EXPECT_EQ(loaded->tokenizer.Encode(vector["text"].get<std::string>()).value(),
              vector["ids"].get<std::vector<std::int32_t>>())
        << vector["i"];
  }
}

TEST_P(GgufGolden, AsTokenizerJsonItIsTheSame) {
  GgufBuilder builder;
  AddGolden(GetParam().first, builder);
  builder.String("tokenizer.ggml.pre", GetParam().second);
  builder.Integer("tokenizer.ggml.bos_token_id", 1);
  builder.Integer("tokenizer.ggml.eos_token_id", 2);
  builder.Bool("tokenizer.ggml.add_bos_token", true);
  builder.String("tokenizer.chat_template", "{{ messages }}");
  const auto gguf = builder.Load();
  const auto folder = builder.LoadAsFolder();
  ASSERT_TRUE(gguf && folder) << folder.error().message;
  EXPECT_EQ(folder->chat_template, gguf->chat_template);
  EXPECT_EQ(folder->bos_token, gguf->bos_token);
  EXPECT_EQ(folder->eos_token, gguf->eos_token);
  EXPECT_EQ(folder->tokenizer.special_ids().eos, gguf->tokenizer.special_ids().eos);
  for (const auto& vector : GoldenVectors(GetParam().first)) {
    const auto text = vector["text"].get<std::string>();
    const auto ids = folder->tokenizer.Encode(text, SpecialTokens::kAdd).value();
    EXPECT_EQ(ids, gguf->tokenizer.Encode(text, SpecialTokens::kAdd).value()) << vector["i"];
    EXPECT_EQ(folder->tokenizer.Decode(ids), gguf->tokenizer.Decode(ids)) << vector["i"];
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GgufGolden,
                         testing::Values(std::pair("smollm2", "smollm"),
                                         std::pair("qwen3", "qwen2"),
                                         std::pair("deepseek", "deepseek-v3")));

class SmallGguf : public testing::Test {
 protected:
  void Add(std::string_view model, std::optional<std::string_view> pre) {
    builder_.String("tokenizer.ggml.model", model);
    if (pre) builder_.String("tokenizer.ggml.pre", *pre);
    builder_.Strings("tokenizer.ggml.tokens", {"a", "b", "ab", "<e>"});
    builder_.Integers("tokenizer.ggml.token_type", {1, 1, 1, 3});
    builder_.Strings("tokenizer.ggml.merges", {"a b"});
  }
  GgufBuilder builder_;
};

TEST_F(SmallGguf, SpecialIdsAndTemplateAreRead) {
  Add("gpt2", std::nullopt);
  builder_.Integer("tokenizer.ggml.eos_token_id", 3);
  builder_.Integer("tokenizer.ggml.eot_token_id", 1);
  builder_.String("tokenizer.chat_template", "{{ messages }}");
  const ModelTokenizer loaded = builder_.Load().value();
  EXPECT_EQ(loaded.tokenizer.special_ids().eos, 3);
  EXPECT_EQ(loaded.tokenizer.special_ids().bos, std::nullopt);
  EXPECT_THAT(loaded.tokenizer.special_ids().stop, testing::ElementsAre(3, 1));
  EXPECT_EQ(loaded.eos_token, "<e>");
  EXPECT_EQ(loaded.chat_template, "{{ messages }}");
  EXPECT_THAT(loaded.tokenizer.Encode("ab<e>").value(), testing::ElementsAre(2, 3));
}

TEST_F(SmallGguf, UnknownPatternsAreNamed) {
  Add("gpt2", "tekken");
  const auto loaded = builder_.Load();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, testing::HasSubstr("tekken"));
}

TEST_F(SmallGguf, OtherKindsOfTokenizersAreNamed) {
  Add("t5", "default");
  const auto loaded = builder_.Load();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, testing::HasSubstr("\"t5\""));
}

/// SentencePiece's kind: "ab" is better than "bc"; a space prefix unless told otherwise.
class SentencePieceGguf : public testing::Test {
 protected:
  void SetUp() override {
    builder_.String("tokenizer.ggml.model", "llama");
    builder_.Strings("tokenizer.ggml.tokens",
                     {"<unk>", "<s>", "\xE2\x96\x81", "a", "b", "c", "bc", "ab", "<0x0A>", "<u>"});
    builder_.Integers("tokenizer.ggml.token_type", {2, 3, 1, 1, 1, 1, 1, 1, 6, 4});
    builder_.Integer("tokenizer.ggml.bos_token_id", 1);
  }
  void AddScores() {
    builder_.Floats("tokenizer.ggml.scores", {0, 0, -9, -9, -9, -9, -2, -1, 0, 0});
  }
  GgufBuilder builder_;
};

TEST_F(SentencePieceGguf, TheBestScoreMergesFirst) {
  AddScores();
  const auto loaded = builder_.Load();
  ASSERT_TRUE(loaded) << loaded.error().message;
  const Tokenizer& tokenizer = loaded->tokenizer;
  EXPECT_THAT(tokenizer.Encode("abc bc\n").value(), testing::ElementsAre(2, 7, 5, 2, 6, 8));
  EXPECT_THAT(tokenizer.Encode("a<u>b", SpecialTokens::kAdd).value(),
              testing::ElementsAre(1, 2, 3, 9, 2, 4));
  EXPECT_THAT(tokenizer.Encode("azzb").value(), testing::ElementsAre(2, 3, 0, 4));
  EXPECT_EQ(tokenizer.Decode(std::vector<std::int32_t>{2, 7, 5, 8}), "abc\n");
}

TEST_F(SentencePieceGguf, NoSpacePrefixWhereTheFileSaysSo) {
  AddScores();
  builder_.Bool("tokenizer.ggml.add_space_prefix", false);
  builder_.Bool("tokenizer.ggml.add_bos_token", false);
  const ModelTokenizer loaded = builder_.Load().value();
  EXPECT_THAT(loaded.tokenizer.Encode("ab", SpecialTokens::kAdd).value(), testing::ElementsAre(7));
}

TEST_F(SentencePieceGguf, ScoresMustBeThere) {
  EXPECT_THAT(builder_.Load().error().message, testing::HasSubstr("scores"));
}

TEST_F(SmallGguf, IdsOutsideTheVocabularyAreRefused) {
  Add("gpt2", "gpt-2");
  builder_.Integer("tokenizer.ggml.bos_token_id", 99);
  const auto loaded = builder_.Load();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, testing::HasSubstr("bos_token_id 99"));
}

TEST(GgufTokenizer, AFileWithoutOneIsRefused) {
  GgufBuilder builder;
  EXPECT_THAT(builder.Load().error().message, testing::HasSubstr("tokenizer.ggml.model"));
}

}  // namespace
}  // namespace lathe::trainer::tokenizer
