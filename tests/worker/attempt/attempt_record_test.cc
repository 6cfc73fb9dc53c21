#include "worker/attempt/attempt_record.h"

#include <gtest/gtest.h>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"

namespace lathe::worker::attempt {
namespace {

class AttemptRecordTest : public testing::Test {
 protected:
  TempDir folder_ = TempDir::Create().value();
  const JobFolder job_{folder_.path()};
};

TEST_F(AttemptRecordTest, SurvivesARestart) {
  EXPECT_FALSE(Load(job_).value()) << "none yet";
  AttemptRecord record;
  record.stage = Stage::kRunning;
  record.start.set_job_id("j");
  record.start.set_attempt(3);
  record.start.set_reported_step(1ULL << 40);
  record.history_end = 77;
  record.ranks = 3;
  record.base_weights = "sharded";
  record.trainers = {{4711, 123456789, "boot"}, {4712, 5, "boot"}, {4713, 6, "boot"}};
  record.report.set_phase(v1::ATTEMPT_PHASE_FAILED);
  ASSERT_TRUE(Save(job_, record));
  const AttemptRecord loaded = Load(job_).value().value();
  EXPECT_EQ(loaded.stage, Stage::kRunning);
  EXPECT_EQ(loaded.start.SerializeAsString(), record.start.SerializeAsString());
  EXPECT_EQ(loaded.history_end, 77u);
  EXPECT_EQ(loaded.ranks, 3u);
  EXPECT_EQ(loaded.base_weights, "sharded");
  EXPECT_EQ(loaded.trainers, record.trainers);
  EXPECT_EQ(loaded.report.phase(), v1::ATTEMPT_PHASE_FAILED);
}

TEST_F(AttemptRecordTest, OneOfAnEarlierReleaseHasOneTrainer) {
  ASSERT_TRUE(WriteFileAtomically(job_.Record(), R"({"version":1,"stage":"running","pid":7,
      "startTicks":8,"bootId":"b","historyEnd":0,"start":{"jobId":"j","attempt":1},"report":{}})"));
  const AttemptRecord loaded = Load(job_).value().value();
  EXPECT_EQ(loaded.ranks, 1u);
  EXPECT_EQ(loaded.trainers, (std::vector<ProcessIdentity>{{7, 8, "b"}}));
}

TEST_F(AttemptRecordTest, ADamagedOneIsAnErrorThatNamesTheFile) {
  for (const char* text :
       {"", "{", "[]", R"({"version":2,"stage":"running"})", R"({"version":1,"stage":"dancing"})",
        R"({"version":1,"stage":7})", R"({"version":1,"stage":"running","start":{}})"}) {
    ASSERT_TRUE(WriteFileAtomically(job_.Record(), text));
    const auto loaded = Load(job_);
    ASSERT_FALSE(loaded) << text;
    EXPECT_EQ(loaded.error().code, ErrorCode::kDataLoss);
    EXPECT_NE(loaded.error().message.find("attempt.json"), std::string::npos);
  }
}

}  // namespace
}  // namespace lathe::worker::attempt
