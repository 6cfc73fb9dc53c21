#include "coordinator/api/page_token.h"

#include <gtest/gtest.h>

namespace lathe::api {
namespace {

TEST(PageToken, RoundTrip) {
  const runtime::ListPosition position{FromMicros(1'234'567), domain::JobId("job-1")};
  EXPECT_EQ(ReadPageToken(MakePageToken(position)), position);
  for (const char* bad : {"", ".", "1.", "x.job-1", "1x.job-1", "nonsense"}) {
    EXPECT_EQ(ReadPageToken(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace lathe::api
