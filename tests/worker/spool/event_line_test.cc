#include "worker/spool/event_line.h"

#include <gtest/gtest.h>

#include <fstream>

#include "common/base/temp_dir.h"

namespace lathe::worker::spool {
namespace {

TEST(EventLine, ReadsWhatTheDaemonNeeds) {
  const auto line = ParseEventLine(
      R"({"seq":9,"type":"failed","code":"invalid_argument","message":"no rows",)"
      R"("findings":[{"path":"train.jsonl:3","code":"bad_json","message":"m","severity":"warning"}]})");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->type, "failed");
  EXPECT_EQ(line->code, "invalid_argument");
  EXPECT_EQ(line->message, "no rows");
  ASSERT_EQ(line->findings.size(), 1u);
  EXPECT_EQ(line->findings[0].path, "train.jsonl:3");
  EXPECT_EQ(line->findings[0].severity, Severity::kWarning);
  EXPECT_EQ(ParseEventLine(R"({"type":"metric","step":7})")->step, 7u);
}

TEST(EventLine, DamagedLinesAreNone) {
  for (const char* text : {"", "{", "[]", "7", R"({"seq":1})", R"({"type":3})"}) {
    EXPECT_FALSE(ParseEventLine(text)) << text;
  }
  EXPECT_EQ(ParseEventLine(R"({"type":"metric","step":-1})")->step, 0u);
}

TEST(ForwardRule, SendsEachStepOnce) {
  const ForwardRule rule{.history_end = 100, .reported_step = 5};
  const auto forwards = [&](const char* type, std::uint64_t step, std::uint64_t begin) {
    return rule.Forwards({.type = type, .step = step}, begin);
  };
  EXPECT_FALSE(forwards("metric", 5, 50)) << "stored under the earlier attempt";
  EXPECT_TRUE(forwards("metric", 6, 50)) << "never arrived, and is not logged again";
  EXPECT_TRUE(forwards("evaluation", 6, 50));
  EXPECT_TRUE(forwards("evaluation", 5, 50)) << "may have been lost behind the metric of its step";
  EXPECT_FALSE(forwards("evaluation", 4, 50));
  EXPECT_FALSE(forwards("checkpoint", 6, 50));
  EXPECT_FALSE(forwards("failed", 0, 50));
  EXPECT_FALSE(forwards("metric", 5, 100)) << "repeated from an older checkpoint";
  EXPECT_TRUE(forwards("metric", 6, 100));
  EXPECT_TRUE(forwards("checkpoint", 4, 100));
  EXPECT_TRUE(forwards("started", 0, 100));
}

TEST(LastEvent, IsTheNewestCompleteLineOfTheAttempt) {
  const TempDir folder = TempDir::Create().value();
  const auto path = folder.path() / "events.jsonl";
  EXPECT_FALSE(LastEvent(path, 0).value());
  const std::string old_line = "{\"type\":\"interrupted\",\"step\":3}\n";
  std::ofstream(path) << old_line;
  EXPECT_EQ(LastEvent(path, 0).value()->type, "interrupted");
  EXPECT_FALSE(LastEvent(path, old_line.size()).value());
  std::ofstream(path, std::ios::app)
      << "{\"type\":\"metric\",\"step\":4}\nbroken\n{\"type\":\"succ";
  EXPECT_EQ(LastEvent(path, old_line.size()).value()->step, 4u);
}

}  // namespace
}  // namespace lathe::worker::spool
