#include "worker/attempt/job_folder.h"

#include <gtest/gtest.h>

#include "common/base/temp_dir.h"

namespace lathe::worker::attempt {
namespace {

TEST(JobFolder, OnlyPlainNamesAreJobIds) {
  EXPECT_EQ(FolderOf("/jobs", "job-1.a_B").value().root, "/jobs/job-1.a_B");
  for (const std::string id : {"", ".", "..", ".hidden", "a/b", "../a", "a b", "a\n"}) {
    const auto folder = FolderOf("/jobs", id);
    ASSERT_FALSE(folder) << id;
    EXPECT_EQ(folder.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(FolderOf("/jobs", std::string(129, 'a')));
}

TEST(JobFolder, TheNewestCheckpointIsAWholeOne) {
  const TempDir temp = TempDir::Create().value();
  const JobFolder folder{temp.path()};
  EXPECT_FALSE(NewestCheckpoint(folder));
  for (const char* name : {"step-5", "step-12", "step-99.partial", "step-x", ".writing-step-20"}) {
    std::filesystem::create_directories(folder.Checkpoints() / name);
  }
  EXPECT_EQ(NewestCheckpoint(folder), 12u);
  EXPECT_EQ(folder.Checkpoint(12), folder.Checkpoints() / "step-12");
}

}  // namespace
}  // namespace lathe::worker::attempt
