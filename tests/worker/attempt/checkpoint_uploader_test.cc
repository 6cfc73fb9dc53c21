#include "worker/attempt/checkpoint_uploader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <vector>

namespace lathe::worker::attempt {
namespace {

TEST(CheckpointUploader, SkipsWhatIsOutdatedWhenItsTurnComes) {
  std::latch first_began(1);
  std::latch go_on(1);
  std::vector<std::uint64_t> announced;
  CheckpointUploader uploader(
      [&](const std::filesystem::path& folder) -> Result<v1::Manifest> {
        if (folder == "1") {
          first_began.count_down();
          go_on.wait();
        }
        return v1::Manifest();
      },
      [&](const UploadedCheckpoint& uploaded) { announced.push_back(uploaded.step); });
  uploader.Submit(1, "1");
  first_began.wait();
  uploader.Submit(2, "2");
  uploader.Submit(3, "3");
  go_on.count_down();
  while (!uploader.newest() || uploader.newest()->step != 3) std::this_thread::yield();
  uploader.Stop();
  EXPECT_EQ(announced, (std::vector<std::uint64_t>{1, 3}));
}

TEST(CheckpointUploader, OneThatFailsIsLeftOutAndTheNextGoes) {
  CheckpointUploader uploader(
      [](const std::filesystem::path& folder) -> Result<v1::Manifest> {
        if (folder == "gone") return Failure(ErrorCode::kNotFound, "pruned");
        return v1::Manifest();
      },
      [](const UploadedCheckpoint&) {});
  uploader.Submit(1, "gone");
  uploader.Submit(2, "there");
  while (!uploader.newest()) std::this_thread::yield();
  EXPECT_EQ(uploader.newest()->step, 2u);
}

TEST(CheckpointUploader, TriesAgainWhileTheCoordinatorIsAway) {
  std::atomic<int> tries = 0;
  CheckpointUploader uploader(
      [&](const std::filesystem::path&) -> Result<v1::Manifest> {
        if (++tries == 1) return Failure(ErrorCode::kUnavailable, "away");
        return v1::Manifest();
      },
      [](const UploadedCheckpoint&) {});
  uploader.Submit(1, "1");
  while (!uploader.newest()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(tries, 2);
}

}  // namespace
}  // namespace lathe::worker::attempt
