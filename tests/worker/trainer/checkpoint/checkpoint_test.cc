#include "worker/trainer/checkpoint/checkpoint.h"

#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "tests/worker/trainer/adapters/tiny_adapter.h"
#include "worker/trainer/adapters/peft.h"

namespace lathe::trainer::checkpoint {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest()
      : trainable_(adapters::ToTrainable(
            adapters::DrawnAdapter(decoder_, {.rank = 2, .modules = {"q_proj"}}))),
        optimizer_(optim::MakeOptimizerState({}, {}, trainable_.parameters)) {}

  const fs::path& root() const { return dir_.path(); }
  fs::path Folder(std::int64_t step) const { return root() / ("step-" + std::to_string(step)); }

  /// Writes a checkpoint whose values all are its step.
  void Save(std::int64_t step) {
    const auto value = static_cast<double>(step);
    trainable_.parameters.fill_(value);
    optimizer_.tensors.at("first_moment").fill_(value);
    optimizer_.tensors.at("second_moment").fill_(value);
    optimizer_.updates = step;
    const auto written = Write(root(), {"settings", "base"},
                               {.step = step,
                                .loss = value / 3,
                                .evaluation_loss = value / 7,
                                .best_step = step + 1,
                                .skipped_steps = step + 2,
                                .loss_scale = {value * 4, step + 3},
                                .seconds = 1.5},
                               trainable_, optimizer_);
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(written->path, Folder(step));
  }
  Restored Restore() {
    auto restored = RestoreNewest(root(), {"settings", "base"}, trainable_, optimizer_);
    EXPECT_TRUE(restored) << restored.error().message;
    return restored ? *restored : Restored{};
  }
  /// Changes a byte in the middle of a file.
  static void Damage(const fs::path& file) {
    std::string bytes = *ReadFile(file);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
    std::ofstream(file, std::ios::binary) << bytes;
  }
  /// What is restored once step 2 has been damaged: step 1, with one warning.
  void ExpectTheOneBefore(const std::string& what) {
    const Restored restored = Restore();
    ASSERT_TRUE(restored.progress.has_value()) << what;
    EXPECT_EQ(restored.progress->step, 1) << what;
    ASSERT_EQ(restored.warnings.size(), 1U) << what;
    EXPECT_THAT(restored.warnings[0], HasSubstr("step-2"));
    EXPECT_EQ(trainable_.parameters.max().item<float>(), 1);
    EXPECT_EQ(optimizer_.tensors.at("first_moment").max().item<float>(), 1);
    EXPECT_EQ(optimizer_.updates, 1);
  }

  const model::Decoder decoder_ = adapters::TinyDecoder();
  adapters::Trainable trainable_;
  optim::OptimizerState optimizer_;
  TempDir dir_ = TempDir::Create().value();
};

TEST_F(CheckpointTest, TheNewestIsRestoredWithAllThatItHolds) {
  for (const std::int64_t step : {9, 10, 100}) Save(step);
  trainable_.parameters.zero_();
  const Restored restored = Restore();
  ASSERT_TRUE(restored.progress.has_value());
  EXPECT_EQ(restored.progress->step, 100);
  EXPECT_EQ(restored.progress->loss, 100.0 / 3);
  EXPECT_EQ(restored.progress->evaluation_loss, 100.0 / 7);
  EXPECT_FALSE(restored.progress->best_evaluation_loss.has_value());
  EXPECT_EQ(restored.progress->seconds, 1.5);
  EXPECT_EQ(restored.progress->best_step, 101);
  EXPECT_EQ(restored.progress->skipped_steps, 102);
  EXPECT_EQ(restored.progress->loss_scale.value, 400);
  EXPECT_EQ(restored.progress->loss_scale.good_steps, 103);
  EXPECT_EQ(trainable_.parameters.min().item<float>(), 100);
  EXPECT_EQ(optimizer_.tensors.at("second_moment").min().item<float>(), 100);
  EXPECT_EQ(optimizer_.updates, 100);
  EXPECT_TRUE(restored.warnings.empty());
}

TEST_F(CheckpointTest, WithoutAnyThereIsNothingToRestore) {
  EXPECT_FALSE(Restore().progress.has_value());
  fs::create_directories(root() / "step-x");
  fs::create_directories(root() / ".writing-step-3");
  EXPECT_FALSE(Restore().progress.has_value());
}

TEST_F(CheckpointTest, ACheckpointIsAnAdapterThatLoads) {
  Save(4);
  EXPECT_TRUE(adapters::ReadPeftSettings(Folder(4)));
}

TEST_F(CheckpointTest, WhicheverFileIsDamagedTheOneBeforeIsUsed) {
  for (const char* name : {"adapter_model.safetensors", "optimizer.safetensors", "progress.json",
                           "adapter_config.json"}) {
    Save(1);
    Save(2);
    Damage(Folder(2) / name);
    ExpectTheOneBefore(name);
  }
}

TEST_F(CheckpointTest, WhicheverFileIsTruncatedOrMissingTheOneBeforeIsUsed) {
  for (const char* name : {"adapter_model.safetensors", "optimizer.safetensors", "progress.json",
                           "adapter_config.json", "manifest.json"}) {
    Save(1);
    Save(2);
    fs::resize_file(Folder(2) / name, fs::file_size(Folder(2) / name) / 2);
    ExpectTheOneBefore(std::string(name) + " truncated");
    Save(2);
    fs::resize_file(Folder(2) / name, 0);
    ExpectTheOneBefore(std::string(name) + " emptied");
    Save(2);
    fs::remove(Folder(2) / name);
    ExpectTheOneBefore(std::string(name) + " removed");
  }
}

TEST_F(CheckpointTest, WhenAllAreDamagedTheRunStartsAnewWithAWarningForEach) {
  Save(1);
  Save(2);
  for (const std::int64_t step : {1, 2}) fs::remove(Folder(step) / "progress.json");
  const Restored restored = Restore();
  EXPECT_FALSE(restored.progress.has_value());
  EXPECT_EQ(restored.warnings.size(), 2U);
}

TEST_F(CheckpointTest, OneOfOtherSettingsIsRefused) {
  Save(1);
  const auto restored = RestoreNewest(root(), {"others", "base"}, trainable_, optimizer_);
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(restored.error().message, HasSubstr("step-1"));
}

TEST_F(CheckpointTest, AWriteThatCannotBeginNamesTheFolder) {
  const fs::path below_a_file = root() / "file" / "checkpoints";
  std::ofstream(root() / "file") << "x";
  const auto written =
      Write(below_a_file, {"settings", "base"}, {.step = 3}, trainable_, optimizer_);
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, HasSubstr("checkpoints"));
}

TEST_F(CheckpointTest, PruneKeepsTheNewestAndSweepsUp) {
  for (const std::int64_t step : {5, 7, 12, 100}) Save(step);
  fs::create_directories(root() / ".writing-step-101");
  Prune(root(), {.keep = 2, .step = 100});
  EXPECT_FALSE(fs::exists(Folder(5)));
  EXPECT_FALSE(fs::exists(Folder(7)));
  EXPECT_TRUE(fs::exists(Folder(12)));
  EXPECT_TRUE(fs::exists(Folder(100)));
  EXPECT_FALSE(fs::exists(root() / ".writing-step-101"));
}

TEST_F(CheckpointTest, PruneKeepsTheBest) {
  const std::vector<std::int64_t> all = {5, 7, 12, 100};
  const auto left = [&](const Retention& retention) {
    for (const std::int64_t step : all) Save(step);
    Prune(root(), retention);
    std::vector<std::int64_t> steps;
    for (const std::int64_t step : all) {
      if (fs::exists(Folder(step))) steps.push_back(step);
    }
    return steps;
  };
  using Steps = std::vector<std::int64_t>;
  EXPECT_EQ(left({.keep = 1, .step = 100, .best = 7}), (Steps{7, 100}));
  EXPECT_EQ(left({.keep = 2, .step = 100, .best = 7}), (Steps{7, 100}));
  EXPECT_EQ(left({.keep = 3, .step = 100, .best = 7}), (Steps{7, 12, 100}));
  EXPECT_EQ(left({.keep = 1, .step = 100, .best = 100}), (Steps{100}));
  EXPECT_EQ(left({.keep = 2, .step = 100, .best = 100}), (Steps{12, 100}));
  EXPECT_EQ(left({.keep = 2, .step = 100, .best = 6}), (Steps{12, 100}));  // Not there.
}

TEST_F(CheckpointTest, PruneDoesNotTakeADamagedOneAheadForTheNewest) {
  for (const std::int64_t step : {5, 7, 12}) Save(step);
  fs::remove(Folder(12) / "progress.json");  // The run went on from 7 and has come to 8.
  Save(8);
  Prune(root(), {.keep = 1, .step = 8});
  EXPECT_TRUE(fs::exists(Folder(8)));
  EXPECT_FALSE(fs::exists(Folder(7)));
  EXPECT_EQ(Restore().progress->step, 8);
}

}  // namespace
}  // namespace lathe::trainer::checkpoint
