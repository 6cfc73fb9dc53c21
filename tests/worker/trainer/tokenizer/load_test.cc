#include "worker/trainer/tokenizer/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "tests/worker/trainer/tokenizer/golden.h"

namespace lathe::trainer::tokenizer {
namespace {

class LoadTest : public testing::Test {
 protected:
  void SetUp() override { Write("tokenizer.json", GoldenTokenizerJson("smollm2")); }
  void Write(const char* name, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(dir_.path() / name, text));
  }
  TempDir dir_ = TempDir::Create().value();
};

TEST_F(LoadTest, AFolderNeedsOnlyTheTokenizer) {
  const ModelTokenizer loaded = LoadModelTokenizer(dir_.path()).value();
  EXPECT_EQ(loaded.chat_template, std::nullopt);
  EXPECT_EQ(loaded.eos_token, "");
  EXPECT_TRUE(loaded.tokenizer.special_ids().stop.empty());
}

TEST_F(LoadTest, ConfigurationsNameTokensAndTemplate) {
  Write("tokenizer_config.json", R"({"bos_token": {"content": "<|im_start|>"},
    "eos_token": "<|im_end|>", "pad_token": "<|im_end|>",
    "chat_template": [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}]})");
  Write("generation_config.json", R"({"eos_token_id": [0, 2]})");
  const ModelTokenizer loaded = LoadModelTokenizer(dir_.path()).value();
  EXPECT_EQ(loaded.bos_token, "<|im_start|>");
  EXPECT_EQ(loaded.chat_template, "d");
  EXPECT_EQ(loaded.tokenizer.special_ids().bos, 1);
  EXPECT_EQ(loaded.tokenizer.special_ids().pad, 2);
  EXPECT_THAT(loaded.tokenizer.special_ids().stop, testing::ElementsAre(2, 0));
}

TEST_F(LoadTest, TheTemplateFileWins) {
  Write("tokenizer_config.json", R"({"chat_template": "old"})");
  Write("chat_template.jinja", "new");
  EXPECT_EQ(LoadModelTokenizer(dir_.path()).value().chat_template, "new");
}

TEST_F(LoadTest, BrokenFilesAreNamed) {
  Write("tokenizer_config.json", "{");
  const auto loaded = LoadModelTokenizer(dir_.path());
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, testing::HasSubstr("tokenizer_config.json"));
  EXPECT_EQ(LoadModelTokenizer(dir_.path() / "none").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace lathe::trainer::tokenizer
