#include "coordinator/core/job_lifecycle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace lathe::core {
namespace {

using domain::JobState;

TEST(JobLifecycle, NamesEachChangeOnce) {
  std::set<std::pair<JobState, Trigger>> seen;
  for (const LegalChange& change : LegalChanges()) {
    EXPECT_TRUE(seen.emplace(change.from, change.trigger).second);
    EXPECT_EQ(NextState(change.from, change.trigger), change.to);
  }
}

TEST(JobLifecycle, NeverLeavesAFinalState) {
  for (const JobState from : {JobState::kSucceeded, JobState::kFailed, JobState::kCancelled}) {
    for (int t = 0; t <= static_cast<int>(Trigger::kCancelled); ++t) {
      EXPECT_FALSE(NextState(from, static_cast<Trigger>(t)));
    }
  }
}

TEST(JobLifecycle, CanBeCancelledAndEndsFromEveryLiveState) {
  for (const JobState from : {JobState::kPending, JobState::kStarting, JobState::kRunning}) {
    EXPECT_EQ(NextState(from, Trigger::kCancelled), JobState::kCancelled);
  }
  EXPECT_FALSE(NextState(JobState::kPending, Trigger::kSucceeded));
  EXPECT_FALSE(NextState(JobState::kRunning, Trigger::kAssigned));
}

std::string ReadmeDiagram() {
  std::ifstream file(std::string(std::getenv("LATHE_SOURCE_DIR")) + "/coordinator/core/README.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  const auto begin = all.find("```\n", all.find("<!-- lifecycle")) + 4;
  return all.substr(begin, all.find("```", begin) - begin);
}

TEST(JobLifecycle, IsWhatTheReadmeShows) {
  std::string expected;
  for (const LegalChange& change : LegalChanges()) {
    expected += std::string(ToString(change.from)) + " -" + std::string(ToString(change.trigger)) +
                "-> " + std::string(ToString(change.to)) + "\n";
  }
  EXPECT_EQ(ReadmeDiagram(), expected);
}

}  // namespace
}  // namespace lathe::core
