#include "worker/trainer/commands/tokenize.h"

#include <gtest/gtest.h>

#include <sstream>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "tests/worker/trainer/tokenizer/golden.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

using nlohmann::json;

/// A model folder with the recorded tokenizer and template.
class TokenizeTest : public testing::Test {
 protected:
  void Model(const std::string& name) {
    Write("tokenizer.json", tokenizer::GoldenTokenizerJson(name));
    Write("chat_template.jinja", tokenizer::GoldenChats(name)["chat_template"].get<std::string>());
  }
  void Write(const char* file, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(dir_.path() / file, text));
  }
  int Run(const std::string& input) {
    std::istringstream in(input);
    std::ostringstream out;
    const int code = RunTokenize(dir_.path(), in, out);
    lines_.clear();
    std::istringstream produced(out.str());
    for (std::string line; std::getline(produced, line);) lines_.push_back(json::parse(line));
    return code;
  }
  TempDir dir_ = TempDir::Create().value();
  std::vector<json> lines_;
};

TEST_F(TokenizeTest, AnswersEachLineWithALine) {
  Model("smollm2");
  const json chat = tokenizer::GoldenChats("smollm2")["cases"][1];
  ASSERT_EQ(Run("\"Hello, world!\"\n\n" + chat.dump() + "\n"), 0);
  ASSERT_EQ(lines_.size(), 2U);
  EXPECT_EQ(lines_[0], json::parse(R"({"ids": [19556, 28, 905, 17]})"));
  EXPECT_EQ(lines_[1]["ids"], chat["ids"]);
  EXPECT_EQ(lines_[1]["text"], chat["rendered"]);
  EXPECT_EQ(lines_[1]["assistant_mask"], chat["assistant_mask"]);
}

TEST_F(TokenizeTest, IdsBecomeText) {
  Model("smollm2");
  ASSERT_EQ(Run("[19556, 28, 905, 17]\n[]\n"), 0);
  EXPECT_EQ(lines_[0], json::parse(R"({"text": "Hello, world!"})"));
  EXPECT_EQ(lines_[1]["text"], "");
}

TEST_F(TokenizeTest, WithoutATellableMaskItIsNull) {
  Model("qwen3");
  const json chat = tokenizer::GoldenChats("qwen3")["cases"][2];
  ASSERT_EQ(Run(chat.dump() + "\n"), 0);
  EXPECT_EQ(lines_[0]["ids"], chat["ids"]);
  EXPECT_TRUE(lines_[0]["assistant_mask"].is_null());
}

TEST_F(TokenizeTest, StopsAtTheFirstBadLine) {
  Model("smollm2");
  for (const char* bad : {"{", "7", "{\"messages\": []}", "[\"x\"]", "[-1]", "[1000000]"}) {
    EXPECT_EQ(Run("\"a\"\n" + std::string(bad) + "\n\"b\"\n"), trainer_protocol::kExitInvalid);
    EXPECT_EQ(lines_.size(), 1U) << bad;
  }
}

TEST_F(TokenizeTest, AMissingModelIsInvalid) {
  EXPECT_EQ(Run("\"a\"\n"), trainer_protocol::kExitInvalid);
}

}  // namespace
}  // namespace lathe::trainer::commands
