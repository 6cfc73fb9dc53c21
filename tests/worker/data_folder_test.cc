#include "worker/data_folder.h"

#include <gtest/gtest.h>

#include <optional>

#include "common/base/temp_dir.h"

namespace lathe::worker {
namespace {

TEST(DataFolder, IsHeldByOneAtATime) {
  const TempDir temp = TempDir::Create().value();
  auto first = std::optional(DataFolder::Open(temp.path() / "worker").value());
  const auto second = DataFolder::Open(temp.path() / "worker");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAborted);
  first.reset();
  EXPECT_TRUE(DataFolder::Open(temp.path() / "worker"));
}

TEST(DataFolder, TheNodesIdLasts) {
  const TempDir temp = TempDir::Create().value();
  const std::string id = DataFolder::Open(temp.path()).value().NodeId("").value();
  EXPECT_FALSE(id.empty());
  const DataFolder again = DataFolder::Open(temp.path()).value();
  EXPECT_EQ(again.NodeId("").value(), id);
  EXPECT_EQ(again.NodeId("given").value(), "given");
}

}  // namespace
}  // namespace lathe::worker
