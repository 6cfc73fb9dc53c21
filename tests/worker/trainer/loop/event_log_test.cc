#include "worker/trainer/loop/event_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"

namespace lathe::trainer::loop {
namespace {

using Json = nlohmann::json;

class EventLogTest : public ::testing::Test {
 protected:
  EventLog Open() {
    auto log = EventLog::Open(path(), clock_);
    EXPECT_TRUE(log.has_value());
    return std::move(*log);
  }
  std::filesystem::path path() const { return folder_->path() / "events.jsonl"; }
  std::string Text() const { return *ReadFile(path()); }

  ManualClock clock_{FromMicros(1'000'000)};
  Result<TempDir> folder_ = TempDir::Create();
};

TEST_F(EventLogTest, LinesAreNumberedAndDated) {
  ASSERT_TRUE(Open().Append("phase", {{"phase", "loading"}}).has_value());
  EXPECT_EQ(Text(),
            "{\"seq\":1,\"time\":\"1970-01-01T00:00:01.000Z\",\"type\":\"phase\","
            "\"phase\":\"loading\"}\n");
}

TEST_F(EventLogTest, NumbersGoOnWhenOpenedAgain) {
  ASSERT_TRUE(Open().Append("a", Json::object()).has_value());
  EventLog log = Open();
  EXPECT_EQ(log.last_type(), "a");
  ASSERT_TRUE(log.Append("b", Json::object()).has_value());
  EXPECT_NE(Text().find("\"seq\":2"), std::string::npos);
}

TEST_F(EventLogTest, ATornLineIsCutOff) {
  ASSERT_TRUE(Open().Append("a", Json::object()).has_value());
  const std::string before = Text();
  std::ofstream(path(), std::ios::app) << "{\"seq\":2,\"ti";
  Open();
  EXPECT_EQ(Text(), before);
}

TEST_F(EventLogTest, ALineInTheMiddleThatIsNotOursIsAnError) {
  std::ofstream(path()) << "{\"seq\":1}\nrubbish\n{\"seq\":3}\n";
  const auto log = EventLog::Open(path(), clock_);
  ASSERT_FALSE(log.has_value());
  EXPECT_EQ(log.error().code, ErrorCode::kDataLoss);
}

TEST_F(EventLogTest, ARepeatedStepIsLoggedOnce) {
  ASSERT_TRUE(Open().AppendStep("metric", {{"step", 2}}).has_value());
  EventLog log = Open();
  ASSERT_TRUE(log.AppendStep("metric", {{"step", 1}}).has_value());
  ASSERT_TRUE(log.AppendStep("metric", {{"step", 2}}).has_value());
  ASSERT_TRUE(log.AppendStep("evaluation", {{"step", 2}}).has_value());
  ASSERT_TRUE(log.AppendStep("metric", {{"step", 3}}).has_value());
  const std::string text = Text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
}

}  // namespace
}  // namespace lathe::trainer::loop
