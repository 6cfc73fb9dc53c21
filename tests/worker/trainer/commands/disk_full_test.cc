// A disk that fills up ends a run with its own exit code and nothing half written; with room again
// the run goes on.

#include <gmock/gmock.h>
#include <sys/mount.h>

#include <cstring>
#include <set>

#include "tests/worker/trainer/commands/trainer_fixture.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using trainer_protocol::kExitDiskFull;

class DiskFull : public TrainerFixture {
 protected:
  void SetUp() override {
    TrainerFixture::SetUp();
    plan_["configuration"]["schedule"] = {
        {"maxSteps", 9}, {"batchSize", 2}, {"evaluations", 0}, {"saveSteps", 3}};
  }
  void TearDown() override {
    if (!mounted_) return;
    EXPECT_EQ(::umount2((root() / "out").c_str(), MNT_DETACH), 0);
  }
  /// Files below the output folder that no finished write leaves.
  std::vector<std::string> Leftovers() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(root() / "out")) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(".writing-") || name.find(".tmp-") != std::string::npos ||
          name.find(".json.") != std::string::npos) {
        found.push_back(entry.path().string());
      }
    }
    return found;
  }
  /// The log is whole, and each step is in it once.
  void ExpectEveryStepOnce(int steps) const {
    std::int64_t sequence = 0;
    std::set<int> seen;
    for (const Json& event : Events()) {
      EXPECT_EQ(event["seq"].get<std::int64_t>(), ++sequence);
      if (event["type"] != "metric") continue;
      EXPECT_TRUE(seen.insert(event["step"].get<int>()).second);
    }
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(steps));
  }
  bool mounted_ = false;
};

TEST_F(DiskFull, TheRunStopsCleanlyAndGoesOnWithRoom) {
  fs::create_directories(root() / "out");
  if (::mount("tmpfs", (root() / "out").c_str(), "tmpfs", 0, "size=512k") != 0) {
    GTEST_SKIP() << "mounting a small file system is not permitted: " << std::strerror(errno);
  }
  mounted_ = true;
  EXPECT_EQ(Run(), kExitDiskFull) << errors();
  EXPECT_THAT(errors(), HasSubstr("No space left on device"));
  EXPECT_THAT(errors(), HasSubstr((root() / "out").string()));
  EXPECT_TRUE(Leftovers().empty()) << Leftovers()[0];
  EXPECT_FALSE(fs::exists(root() / "out/adapter"));
  EXPECT_EQ(::mount("tmpfs", (root() / "out").c_str(), "tmpfs", MS_REMOUNT, "size=16m"), 0);
  EXPECT_EQ(Run(), 0) << errors();
  ExpectEveryStepOnce(9);
  EXPECT_TRUE(Leftovers().empty());
  EXPECT_TRUE(fs::exists(root() / "out/adapter/adapter_model.safetensors"));
}

TEST_F(DiskFull, ALimitOnTheSizeOfFilesCountsAsAFullDisk) {
  // The adapter has some 100 KB, the optimizer's moments twice that.
  EXPECT_EQ(Run({"/bin/sh", "-c", "ulimit -f 64; exec \"$@\"", "sh"}), kExitDiskFull) << errors();
  EXPECT_THAT(errors(), HasSubstr("File too large"));
  EXPECT_TRUE(Leftovers().empty()) << Leftovers()[0];
  EXPECT_EQ(Events().back()["type"], "failed");
  EXPECT_EQ(Run(), 0) << errors();
  ExpectEveryStepOnce(9);
}

}  // namespace
}  // namespace lathe::trainer::commands
