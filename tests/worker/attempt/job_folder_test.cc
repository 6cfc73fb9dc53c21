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

TEST(JobFolder, IsRemovedAsAWhole) {
  const TempDir temp = TempDir::Create().value();
  const JobFolder folder = FolderOf(temp.path(), "job-1").value();
  std::filesystem::create_directories(folder.Checkpoint(5));
  // What a daemon that died in the middle of a removal left.
  std::filesystem::create_directories(temp.path() / ".removed-job-1" / "output");
  std::filesystem::create_directories(temp.path() / ".removed-job-2" / "output");
  EXPECT_TRUE(RemoveFolder(folder));
  EXPECT_FALSE(std::filesystem::exists(folder.root));
  EXPECT_TRUE(RemoveFolder(folder)) << "there is nothing to remove";
  PurgeRemovedFolders(temp.path());
  EXPECT_TRUE(std::filesystem::is_empty(temp.path()));
}

}  // namespace
}  // namespace lathe::worker::attempt
