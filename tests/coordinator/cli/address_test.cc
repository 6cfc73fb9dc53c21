#include "coordinator/cli/client/address.h"

#include <gtest/gtest.h>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"

namespace lathe::cli {
namespace {

TEST(Address, FlagThenVariableThenFileThenDefault) {
  const TempDir folder = TempDir::Create().value();
  Environment environment{.data_dir = folder.path().string()};
  EXPECT_EQ(ChooseAddress("", environment).value, kDefaultAddress);
  EXPECT_EQ(ChooseAddress("", environment).source, "the default");

  ASSERT_TRUE(WriteFileAtomically(folder.path() / "address", "127.0.0.1:5555\n"));
  EXPECT_EQ(ChooseAddress("", environment).value, "127.0.0.1:5555");
  EXPECT_EQ(ChooseAddress("", environment).source, "from " + (folder.path() / "address").string());

  environment.address = "10.0.0.1:7420";
  EXPECT_EQ(ChooseAddress("", environment).value, "10.0.0.1:7420");
  EXPECT_EQ(ChooseAddress("", environment).source, "from LATHE_ADDRESS");

  EXPECT_EQ(ChooseAddress("host:1", environment).value, "host:1");
  EXPECT_EQ(ChooseAddress("host:1", environment).source, "from --address");
}

TEST(Address, AnEmptyFileIsNoAddress) {
  const TempDir folder = TempDir::Create().value();
  ASSERT_TRUE(WriteFileAtomically(folder.path() / "address", "\n"));
  EXPECT_EQ(ChooseAddress("", {.data_dir = folder.path().string()}).value, kDefaultAddress);
}

TEST(Address, TheStateFolderFollowsTheConventions) {
  EXPECT_EQ(DefaultDataDir({.home = "/home/u"}), "/home/u/.local/state/lathe");
  EXPECT_EQ(DefaultDataDir({.state_home = "/state", .home = "/home/u"}), "/state/lathe");
  EXPECT_EQ(DefaultDataDir({.data_dir = "/data", .state_home = "/state"}), "/data");
}

}  // namespace
}  // namespace lathe::cli
