#include "common/base/strong_id.h"

#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <unordered_set>

namespace lathe {
namespace {

using JobId = StrongId<struct JobIdTag, std::string>;
using NodeId = StrongId<struct NodeIdTag, std::string>;

static_assert(!std::is_convertible_v<std::string, JobId>);
static_assert(!std::is_convertible_v<JobId, NodeId>);

TEST(StrongId, ComparesAndHashesByValue) {
  EXPECT_EQ(JobId("a"), JobId("a"));
  EXPECT_LT(JobId("a"), JobId("b"));
  const std::unordered_set<JobId> ids = {JobId("a"), JobId("a"), JobId("b")};
  EXPECT_EQ(ids.size(), 2u);
}

}  // namespace
}  // namespace lathe
