#include "worker/trainer/device/device.h"

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

#include "worker/trainer/device/guard.h"

namespace lathe::trainer::device {
namespace {

using testing::HasSubstr;

TEST(DeviceTest, TheCpuIsAlwaysThere) {
  const auto device = Open("cpu");
  ASSERT_TRUE(device);
  EXPECT_TRUE(device->is_cpu());
  EXPECT_GT(MemoryBytes(*device), 1 << 20);
  EXPECT_GE(Threads(), 1);
}

TEST(DeviceTest, OtherNamesAreRefused) {
  for (const char* name :
       {"", "gpu", "cuda", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:99999999999"}) {
    const auto device = Open(name);
    ASSERT_FALSE(device) << name;
    EXPECT_EQ(device.error().code, ErrorCode::kInvalidArgument) << name;
    EXPECT_THAT(device.error().message, HasSubstr("neither cpu nor cuda:N"));
  }
}

TEST(DeviceTest, AGpuThatIsNotThereIsTold) {
  const auto device = Open("cuda:127");
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(device.error().message, HasSubstr("cuda:127"));
}

TEST(GuardTest, ResultsPassThrough) {
  EXPECT_EQ(Guard([]() -> Result<int> { return 3; }).value(), 3);
  EXPECT_TRUE(Guard([]() -> Status { return {}; }));
}

TEST(GuardTest, ExceptionsBecomeErrors) {
  const auto other = Guard([]() -> Status { throw std::runtime_error("what happened"); });
  EXPECT_EQ(other.error().code, ErrorCode::kInternal);
  EXPECT_EQ(other.error().message, "what happened");
  const auto torch = Guard([]() -> Status { TORCH_CHECK(false, "wrong shape"); });
  EXPECT_EQ(torch.error().code, ErrorCode::kInternal);
  EXPECT_THAT(torch.error().message, HasSubstr("libtorch: wrong shape"));
  EXPECT_THAT(torch.error().message, testing::Not(HasSubstr("\n")));
}

/// Memory running out names what would help, and is marked so that the exit code can tell.
void ExpectOutOfMemory(const Status& status) {
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(status.error().message, HasSubstr("schedule.batchSize"));
  ASSERT_EQ(status.error().findings.size(), 1U);
  EXPECT_EQ(status.error().findings[0].code, kOutOfMemory);
}

TEST(GuardTest, EveryKindOfMemoryRunningOutIsRecognised) {
  ExpectOutOfMemory(Guard([]() -> Status { throw std::bad_alloc(); }));
  ExpectOutOfMemory(
      Guard([]() -> Status { TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory"); }));
  ExpectOutOfMemory(Guard([]() -> Status {
    TORCH_CHECK(false,
                "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`");
  }));
  ExpectOutOfMemory(Guard([]() -> Status {
    at::empty({std::int64_t{1} << 56}, at::kByte);
    return {};
  }));
}

}  // namespace
}  // namespace lathe::trainer::device
