#include "worker/spool/log_lines.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace lathe::worker::spool {
namespace {

std::string TextOf(const std::string& event) {
  return nlohmann::json::parse(event).at("line").get<std::string>();
}

TEST(LogLines, ALineIsAnEvent) {
  LogLines lines{Instant{}};
  const auto events = lines.Take("loading \"model\"", Instant{});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0],
            R"({"line":"loading \"model\"","time":"1970-01-01T00:00:00.000Z","type":"log"})");
}

TEST(LogLines, LongLinesAreCutBetweenCharacters) {
  std::string line(LogLines::kMaxLineBytes - 1, 'a');
  line += "äöü";
  EXPECT_EQ(TextOf(LogEvent(line, Instant{})),
            std::string(LogLines::kMaxLineBytes - 1, 'a') + "… (6 bytes cut)");
}

TEST(LogLines, BytesThatAreNotTextAreReplaced) {
  EXPECT_EQ(TextOf(LogEvent("a\xff"
                            "b",
                            Instant{})),
            "a\xEF\xBF\xBD"
            "b");
  const std::string garbage(5000, '\x80');
  EXPECT_NE(TextOf(LogEvent(garbage, Instant{})).find("bytes cut"), std::string::npos);
}

TEST(LogLines, AFloodIsBoundedAndCounted) {
  LogLines lines{Instant{}};
  std::size_t passed = 0;
  for (int i = 0; i < 10'000; ++i) passed += lines.Take("x", Instant{}).size();
  EXPECT_EQ(passed, static_cast<std::size_t>(LogLines::kBurst));
  const auto next = lines.Take("y", Instant{} + std::chrono::seconds(1));
  ASSERT_EQ(next.size(), 2u);
  EXPECT_EQ(TextOf(next[0]), "(9500 lines left out: too many a second)");
  EXPECT_EQ(TextOf(next[1]), "y");
}

}  // namespace
}  // namespace lathe::worker::spool
