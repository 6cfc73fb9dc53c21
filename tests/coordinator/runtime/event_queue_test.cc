#include "coordinator/runtime/event_queue.h"

#include <gtest/gtest.h>

#include <thread>

namespace lathe::runtime {
namespace {

using std::chrono::milliseconds;

core::Event Numbered(std::uint64_t number) {
  return core::HeartbeatReceived{domain::SessionId(1), domain::NodeId("n"), number};
}
std::uint64_t NumberOf(const core::Event& event) {
  return std::get<core::HeartbeatReceived>(event).sequence;
}

TEST(EventQueue, KeepsOrderAndLimits) {
  EventQueue queue(3);
  for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_TRUE(queue.Push(Numbered(i)));
  EXPECT_FALSE(queue.Push(Numbered(4))) << "full";
  const auto first = queue.Take(2, milliseconds(0));
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(NumberOf(first[0]), 1U);
  EXPECT_EQ(NumberOf(first[1]), 2U);
  EXPECT_EQ(queue.size(), 1U);
  EXPECT_TRUE(queue.Push(Numbered(5)));
}

TEST(EventQueue, WakesItsConsumer) {
  EventQueue queue(10);
  std::thread producer([&] { queue.Push(Numbered(1)); });
  EXPECT_EQ(queue.Take(10, std::chrono::seconds(10)).size(), 1U);
  producer.join();
  EXPECT_TRUE(queue.Take(10, milliseconds(1)).empty());
}

TEST(EventQueue, AClosedQueueGivesOnlyWhatItHas) {
  EventQueue queue(10);
  queue.Push(Numbered(1));
  queue.Close();
  EXPECT_FALSE(queue.Push(Numbered(2)));
  EXPECT_EQ(queue.Take(10, std::chrono::seconds(10)).size(), 1U);
  EXPECT_TRUE(queue.Take(10, std::chrono::seconds(10)).empty()) << "without waiting";
}

}  // namespace
}  // namespace lathe::runtime
