#include "worker/trainer/formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/random.h"
#include "common/base/temp_dir.h"
#include "tests/worker/trainer/formats/test_files.h"

namespace lathe::trainer::formats {
namespace {

class GgufTest : public testing::Test {
 protected:
  Result<Gguf> Open(const std::string& bytes) {
    WriteQuickly(dir_.path() / "m.gguf", bytes);
    return Gguf::Open(dir_.path() / "m.gguf");
  }
  TempDir dir_ = TempDir::Create().value();
};

TEST_F(GgufTest, ReadsMetadataAndTensors) {
  const Gguf gguf = Open(SoundGguf()).value();
  EXPECT_EQ(gguf.version(), 3U);
  EXPECT_EQ(gguf.String("general.architecture").value(), "llama");
  EXPECT_EQ(gguf.Number("eps").value(), 0.5);
  const auto* tokens = gguf.FindAs<std::vector<std::string_view>>("tokens");
  ASSERT_NE(tokens, nullptr);
  EXPECT_THAT(*tokens, testing::ElementsAre("a", "bc"));
  const TensorInfo* tensor = gguf.FindTensor("w");
  ASSERT_NE(tensor, nullptr);
  EXPECT_THAT(tensor->shape, testing::ElementsAre(3, 2));
  float last = 0;
  std::memcpy(&last, tensor->data.data() + 20, 4);
  EXPECT_EQ(last, 5.0F);
}

TEST_F(GgufTest, MissingOrWronglyTypedKeysAreNamed) {
  const Gguf gguf = Open(SoundGguf()).value();
  EXPECT_THAT(gguf.Integer("llama.block_count").error().message,
              testing::HasSubstr("llama.block_count"));
  EXPECT_FALSE(gguf.String("eps"));
  EXPECT_EQ(gguf.FindAs<std::int64_t>("eps"), nullptr);
}

TEST_F(GgufTest, EveryTruncationIsRefused) {
  const std::string sound = SoundGguf();
  for (std::size_t size = 0; size < sound.size(); ++size) {
    const auto opened = Open(sound.substr(0, size));
    ASSERT_FALSE(opened) << size;
    ASSERT_EQ(opened.error().code, ErrorCode::kDataLoss) << size;
  }
}

TEST_F(GgufTest, HostileFilesAreRefusedWithTheReason) {
  std::string twice = GgufHeader(3, 0, 2);
  for (int i = 0; i < 2; ++i) {
    PutString(twice, "k");
    Put<std::uint32_t>(twice, 0);
    Put<std::uint8_t>(twice, 1);
  }
  std::string long_array = GgufHeader(3, 0, 1);
  PutString(long_array, "k");
  Put<std::uint32_t>(long_array, 9);
  Put<std::uint32_t>(long_array, 8);
  Put<std::uint64_t>(long_array, std::uint64_t{1} << 60);
  std::string unknown = GgufHeader(3, 0, 1);
  PutString(unknown, "k");
  Put<std::uint32_t>(unknown, 77);
  unknown += std::string(16, '\0');
  std::string misplaced = SoundGguf();
  misplaced.replace(misplaced.size() - 24 - 32, 32, std::string(32, '\xFF'));
  const std::pair<std::string, const char*> cases[] = {
      {"", "begin with GGUF"},
      {GgufHeader(1, 0, 0), "version 1"},
      {GgufHeader(3, 0, std::uint64_t{1} << 62), "metadata entry 0"},
      {GgufHeader(3, std::uint64_t{1} << 62, 0), "tensor table"},
      {twice, "occurs twice"},
      {long_array, "the value of k"},
      {unknown, "type of k"},
  };
  for (const auto& [bytes, reason] : cases) {
    const auto opened = Open(bytes);
    ASSERT_FALSE(opened) << reason;
    EXPECT_EQ(opened.error().code, ErrorCode::kDataLoss);
    EXPECT_THAT(opened.error().message, testing::HasSubstr(reason));
    EXPECT_THAT(opened.error().message, testing::HasSubstr("m.gguf"));
  }
  EXPECT_FALSE(Open(misplaced));
}

TEST_F(GgufTest, MutatedBytesNeverCrash) {
  Random random(1);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = SoundGguf();
    const std::uint64_t changes = 1 + random.Below(4);
    for (std::uint64_t i = 0; i < changes; ++i) {
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    }
    const auto opened = Open(bytes);
    if (!opened) continue;
    for (const TensorInfo& tensor : opened->tensors()) {
      std::uint32_t sum = 0;
      for (const std::byte b : tensor.data) sum += static_cast<std::uint32_t>(b);
      EXPECT_GE(sum, 0U);
    }
  }
}

}  // namespace
}  // namespace lathe::trainer::formats
