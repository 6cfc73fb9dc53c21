#include "worker/trainer/distributed/environment.h"

#include <gtest/gtest.h>

#include <map>

namespace lathe::trainer::distributed {
namespace {

Result<World> Read(const std::map<std::string, std::string>& variables) {
  return ReadWorld([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

TEST(EnvironmentTest, WithoutVariablesAProcessIsAlone) {
  EXPECT_EQ(Read({})->size, 1);
  EXPECT_EQ(Read({{"WORLD_SIZE", "1"}})->size, 1);
  EXPECT_EQ(Read({{"RANK", "7"}})->rank, 0);
}

TEST(EnvironmentTest, ReadsWhatLaunchersSet) {
  const auto world = Read({{"WORLD_SIZE", "4"},
                           {"RANK", "3"},
                           {"LOCAL_RANK", "1"},
                           {"MASTER_ADDR", "node0"},
                           {"MASTER_PORT", "29500"},
                           {"LATHE_DISTRIBUTED_TIMEOUT", "7"}});
  ASSERT_TRUE(world) << world.error().message;
  EXPECT_EQ(world->size, 4);
  EXPECT_EQ(world->rank, 3);
  EXPECT_EQ(world->local_rank, 1);
  EXPECT_EQ(world->master_address, "node0");
  EXPECT_EQ(world->master_port, 29500);
  EXPECT_EQ(world->timeout, std::chrono::seconds(7));
}

TEST(EnvironmentTest, OnOneMachineAFileIsPlaceEnough) {
  const auto world =
      Read({{"WORLD_SIZE", "2"}, {"RANK", "1"}, {"LATHE_RENDEZVOUS_FILE", "/job/rendezvous"}});
  ASSERT_TRUE(world) << world.error().message;
  EXPECT_EQ(world->rendezvous_file, "/job/rendezvous");
  EXPECT_EQ(world->local_rank, 1);
}

TEST(EnvironmentTest, EverythingWrongIsToldAtOnce) {
  const auto world = Read({{"WORLD_SIZE", "2"}, {"RANK", "2"}, {"MASTER_PORT", "x"}});
  ASSERT_FALSE(world);
  EXPECT_EQ(world.error().code, ErrorCode::kInvalidArgument);
  ASSERT_EQ(world.error().findings.size(), 3U);
  EXPECT_EQ(world.error().findings[0].path, "environment.RANK");
  EXPECT_EQ(world.error().findings[1].path, "environment.MASTER_ADDR");
  EXPECT_EQ(world.error().findings[2].path, "environment.MASTER_PORT");
  EXPECT_FALSE(Read({{"WORLD_SIZE", "0"}}));
}

}  // namespace
}  // namespace lathe::trainer::distributed
