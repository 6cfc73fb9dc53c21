#include "coordinator/cli/output/document.h"

#include <gmock/gmock.h>

#include "common/yaml/reader.h"
#include "lathe/v1/job.pb.h"

namespace lathe::cli {
namespace {

v1::Job SomeJob() {
  v1::Job job;
  job.set_id("job-1");
  job.set_state(v1::JOB_STATE_RUNNING);
  job.set_checkpoint_step(std::uint64_t{1} << 40);
  job.mutable_create_time()->set_seconds(1763720520);
  job.mutable_progress()->set_loss(0.5);
  job.mutable_configuration()->mutable_hardware()->set_num_gpus(2);
  return job;
}

TEST(Document, SpeaksTheSpellingOfTheConfiguration) {
  const Document document = ToDocument(SomeJob());
  EXPECT_EQ(document["state"], "running");
  EXPECT_EQ(document["createTime"], "2025-11-21T10:22:00Z");
  EXPECT_EQ(document["checkpointStep"], std::uint64_t{1} << 40);
  EXPECT_EQ(document["attempt"], 0);
  EXPECT_EQ(document["progress"]["loss"], 0.5);
  EXPECT_EQ(document["configuration"]["hardware"]["numGPUs"], 2);
  EXPECT_FALSE(document.contains("startTime"));
  EXPECT_FALSE(document["progress"].contains("etaSeconds"));
}

TEST(Document, Tokens) {
  EXPECT_EQ(Token("JobState", "JOB_STATE_RUNNING"), "running");
  EXPECT_EQ(Token("NodeState", "NODE_STATE_LOST"), "lost");
}

/// Every scalar of the text; those in quotes, which are strings to every reader, with them.
std::vector<std::string> ScalarsOf(const std::string& text) {
  std::vector<std::string> scalars;
  yaml::Reader reader(text);
  for (auto event = reader.Next(); event && event->kind != yaml::EventKind::kTextEnd;
       event = reader.Next()) {
    if (event->kind == yaml::EventKind::kScalar) {
      const std::string quote = event->plain ? "" : "'";
      scalars.push_back(quote + std::string(event->text) + quote);
    }
  }
  return scalars;
}

TEST(Document, YamlReadsBackAsTheSameTypes) {
  const Document document = {
      {"number", 8},        {"text", "8"},       {"truth", true},    {"word", "true"},
      {"nothing", nullptr}, {"empty", ""},       {"list", {1, "a"}}, {"none", Document::array()},
      {"small", 0.0008},    {"lines", "a\nb: c"}};
  EXPECT_THAT(ScalarsOf(ToYaml(document)),
              testing::ElementsAre("number", "8", "text", "'8'", "truth", "true", "word", "'true'",
                                   "nothing", "null", "empty", "''", "list", "1", "a", "none",
                                   "small", "0.0008", "lines", "'a\nb: c'"));
}

}  // namespace
}  // namespace lathe::cli
