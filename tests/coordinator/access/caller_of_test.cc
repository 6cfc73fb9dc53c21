#include "coordinator/access/caller_of.h"

#include <gtest/gtest.h>

namespace lathe::access {
namespace {

TEST(MakeCaller, TakesAName) {
  const auto caller = MakeCaller("ann@example.org");
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->user, "ann@example.org");
  EXPECT_FALSE(caller->is_service);
  EXPECT_TRUE(caller->IsMember("default"));
  EXPECT_FALSE(caller->IsMember("secret-project"));
}

TEST(MakeCaller, ANameCanBeAService) {
  EXPECT_TRUE(MakeCaller("service:console")->is_service);
  EXPECT_FALSE(MakeCaller("services")->is_service);
}

TEST(MakeCaller, RefusesWhatCannotBeAnOwner) {
  for (const std::string& name :
       {std::string("a/b"), std::string("a\nb"), std::string("a\0b", 3), std::string(129, 'a')}) {
    const auto caller = MakeCaller(name);
    ASSERT_FALSE(caller) << name;
    EXPECT_EQ(caller.error().code, ErrorCode::kUnauthenticated);
  }
  EXPECT_TRUE(MakeCaller(std::string(128, 'a')));
  EXPECT_EQ(MakeCaller("")->user, "");
}

}  // namespace
}  // namespace lathe::access
