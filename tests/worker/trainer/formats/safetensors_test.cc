#include "worker/trainer/formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/file_io.h"
#include "common/base/random.h"
#include "common/base/temp_dir.h"
#include "tests/worker/trainer/formats/test_files.h"

namespace lathe::trainer::formats {
namespace {

constexpr const char* kSound =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
    R"("b":{"dtype":"U8","shape":[2,2],"data_offsets":[8,12]}})";

class SafetensorsTest : public testing::Test {
 protected:
  Result<Safetensors> Open(const std::string& bytes) {
    WriteQuickly(dir_.path() / "m.safetensors", bytes);
    return Safetensors::OpenFile(dir_.path() / "m.safetensors");
  }
  TempDir dir_ = TempDir::Create().value();
};

TEST_F(SafetensorsTest, ReadsWhatTheHeaderSays) {
  const Safetensors file = Open(SafetensorsBytes(kSound, 12)).value();
  ASSERT_EQ(file.tensors().size(), 2U);
  const TensorInfo* b = file.Find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->dtype, DType::kU8);
  EXPECT_THAT(b->shape, testing::ElementsAre(2, 2));
  EXPECT_EQ(b->data.size(), 4U);
  EXPECT_EQ(file.Find("c"), nullptr);
  EXPECT_EQ(file.metadata().at("format"), "pt");
}

TEST_F(SafetensorsTest, EveryTruncationIsRefused) {
  const std::string sound = SafetensorsBytes(kSound, 12);
  for (std::size_t size = 0; size < sound.size(); ++size) {
    const auto opened = Open(sound.substr(0, size));
    ASSERT_FALSE(opened) << size;
    ASSERT_EQ(opened.error().code, ErrorCode::kDataLoss) << size;
  }
}

TEST_F(SafetensorsTest, HostileHeadersAreRefusedWithTheReason) {
  const std::pair<std::string, const char*> cases[] = {
      {R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", "takes 12 bytes"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", "begins at byte 4"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],)"
       R"("data_offsets":[4,12]}})",
       "begins at byte 4, not at 8"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "belong to no tensor"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],)"
       R"("data_offsets":[0,8]}})",
       "occurs twice"},
      {R"({"a":{"dtype":"Q9","shape":[2],"data_offsets":[0,8]}})", "unknown dtype"},
      {R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", "shape"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}})",
       "too large"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", "takes 8 bytes"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", "needs dtype"},
      {R"({"a":7})", "needs dtype"},
      {R"({"__metadata__":{"x":1}})", "no string"},
      {R"([1])", "no JSON object"},
      {R"({"a":)", "no JSON object"},
  };
  for (const auto& [header, reason] : cases) {
    const auto opened = Open(SafetensorsBytes(header, 8));
    ASSERT_FALSE(opened) << header;
    EXPECT_EQ(opened.error().code, ErrorCode::kDataLoss);
    EXPECT_THAT(opened.error().message, testing::HasSubstr(reason)) << header;
    EXPECT_THAT(opened.error().message, testing::HasSubstr("m.safetensors"));
  }
}

TEST_F(SafetensorsTest, AHeaderLengthBeyondTheFileIsRefused) {
  std::string bytes = SafetensorsBytes(kSound, 12);
  bytes[7] = '\x7F';
  EXPECT_EQ(Open(bytes).error().code, ErrorCode::kDataLoss);
}

TEST_F(SafetensorsTest, MutatedHeadersNeverCrash) {
  Random random(2);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = SafetensorsBytes(kSound, 12);
    for (std::uint64_t i = 0; i < 1 + random.Below(3); ++i) {
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    }
    const auto opened = Open(bytes);
    if (opened) {
      EXPECT_LE(opened->tensors().size(), 2U);
    }
  }
}

TEST_F(SafetensorsTest, WritesWhatItReads) {
  const float weights[3] = {1, 2, 3};
  const std::uint8_t codes[3] = {7, 8, 9};
  const TensorInfo tensors[] = {
      {"z", DType::kU8, {3}, std::as_bytes(std::span(codes))},
      {"b", DType::kF32, {1, 3}, std::as_bytes(std::span(weights))},
      {"a", DType::kF32, {0}, {}},
  };
  const auto path = dir_.path() / "out.safetensors";
  ASSERT_TRUE(WriteSafetensors(path, tensors, {{"format", "pt"}}));
  const Safetensors file = Safetensors::OpenFile(path).value();
  ASSERT_EQ(file.tensors().size(), 3U);
  EXPECT_EQ(std::memcmp(file.Find("b")->data.data(), weights, sizeof weights), 0);
  EXPECT_EQ(std::memcmp(file.Find("z")->data.data(), codes, sizeof codes), 0);
  EXPECT_EQ(file.metadata().at("format"), "pt");

  const std::string first = ReadFile(path).value();
  const TensorInfo reordered[] = {tensors[2], tensors[1], tensors[0]};
  ASSERT_TRUE(WriteSafetensors(path, reordered, {{"format", "pt"}}));
  EXPECT_EQ(ReadFile(path).value(), first);
  EXPECT_EQ(static_cast<unsigned char>(first[0]) % 8, 0);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_.path()), {}), 1);
}

TEST_F(SafetensorsTest, TheWriterRefusesWhatIsWrong) {
  const float weights[3] = {1, 2, 3};
  const auto bytes = std::as_bytes(std::span(weights));
  const auto write = [&](std::vector<TensorInfo> tensors) {
    return WriteSafetensors(dir_.path() / "out", tensors, {});
  };
  EXPECT_FALSE(write({{"a", DType::kF32, {2}, bytes}}));
  EXPECT_FALSE(write({{"a", DType::kF32, {3}, bytes}, {"a", DType::kF32, {3}, bytes}}));
  EXPECT_FALSE(write({{"\xFF", DType::kF32, {3}, bytes}}));
  EXPECT_FALSE(write({{"q", DType::kQ4_0, {32}, bytes.first(0)}}));
  EXPECT_EQ(WriteSafetensors(dir_.path() / "none" / "out", {}, {}).error().code,
            ErrorCode::kNotFound);
}

class ShardedTest : public SafetensorsTest {
 protected:
  void Shard(const char* name, const char* tensor) {
    const std::string header =
        std::string("{\"") + tensor + R"(":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
    ASSERT_TRUE(WriteFileAtomically(dir_.path() / name, SafetensorsBytes(header, 8)));
  }
  Result<Safetensors> OpenWithIndex(const char* index) {
    EXPECT_TRUE(WriteFileAtomically(dir_.path() / "model.safetensors.index.json", index));
    return Safetensors::OpenFolder(dir_.path());
  }
};

TEST_F(ShardedTest, FoldersShowTheTensorsOfAllShards) {
  Shard("1.safetensors", "b");
  Shard("2.safetensors", "a");
  const auto opened = OpenWithIndex(R"({"weight_map":{"a":"2.safetensors","b":"1.safetensors"}})");
  ASSERT_TRUE(opened);
  ASSERT_EQ(opened->tensors().size(), 2U);
  EXPECT_EQ(opened->tensors()[0].name, "a");
}

TEST_F(ShardedTest, BadIndexesAndDoubledTensorsAreRefused) {
  Shard("1.safetensors", "a");
  Shard("2.safetensors", "a");
  EXPECT_FALSE(OpenWithIndex(R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})"));
  EXPECT_FALSE(OpenWithIndex(R"({"weight_map":{"a":"../1.safetensors"}})"));
  EXPECT_FALSE(OpenWithIndex(R"({"weight_map":{"a":3}})"));
  EXPECT_FALSE(OpenWithIndex(R"([])"));
  EXPECT_EQ(OpenWithIndex(R"({"weight_map":{"a":"none.safetensors"}})").error().code,
            ErrorCode::kNotFound);
}

TEST_F(ShardedTest, AFolderWithoutWeightsIsNotFound) {
  EXPECT_EQ(Safetensors::OpenFolder(dir_.path()).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace lathe::trainer::formats
