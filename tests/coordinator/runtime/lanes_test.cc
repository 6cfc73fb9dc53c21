#include "coordinator/runtime/lanes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <vector>

namespace lathe::runtime {
namespace {

using testing::ElementsAre;

/// One lane that is held until Release.
class LanesTest : public testing::Test {
 protected:
  LanesTest() {
    EXPECT_TRUE(lanes_->Begin([this] {
      held_.set_value();
      released_.get_future().wait();
    }));
    held_.get_future().wait();
  }
  Lanes::Work Note(int number) {
    return [this, number] { done_.push_back(number); };
  }
  /// Returns when all is done.
  void Release() {
    released_.set_value();
    lanes_.reset();
  }

  std::promise<void> held_;
  std::promise<void> released_;
  std::vector<int> done_;
  std::optional<Lanes> lanes_{std::in_place, 1, 2};
};

TEST_F(LanesTest, EndWhatHasBegunFirst) {
  EXPECT_TRUE(lanes_->Begin(Note(1)));
  EXPECT_TRUE(lanes_->Begin(Note(2)));
  lanes_->GoOn(Note(3));
  lanes_->GoOn(Note(4));
  Release();
  EXPECT_THAT(done_, ElementsAre(3, 4, 1, 2));
}

TEST_F(LanesTest, RefuseNewWorkWhenTooMuchWaits) {
  EXPECT_TRUE(lanes_->Begin(Note(1)));
  EXPECT_TRUE(lanes_->Begin(Note(2)));
  EXPECT_FALSE(lanes_->Begin(Note(3)));
  lanes_->GoOn(Note(4));
  Release();
  EXPECT_THAT(done_, ElementsAre(4, 1, 2));
}

TEST_F(LanesTest, DoWhatTheirWorkGivesThemWhileTheyEnd) {
  EXPECT_TRUE(lanes_->Begin([this] { lanes_->GoOn(Note(1)); }));
  Release();
  EXPECT_THAT(done_, ElementsAre(1));
}

}  // namespace
}  // namespace lathe::runtime
