#include "coordinator/runtime/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lathe::runtime {
namespace {

using testing::ElementsAre;

domain::Job MakeJob(const std::string& id, std::int64_t created, domain::JobState state) {
  domain::Job job;
  job.spec.id = domain::JobId(id);
  job.spec.resources.cpu_slots = 1;
  job.created = FromMicros(created);
  job.state = state;
  job.node = domain::NodeId("n");
  return job;
}

core::Commit With(const domain::Job& job) {
  core::Commit commit;
  commit.sequence = 1;
  commit.jobs.push_back(job);
  return commit;
}

std::vector<std::string> Ids(const std::vector<JobPtr>& jobs) {
  std::vector<std::string> ids;
  for (const JobPtr& job : jobs) ids.push_back(job->id().value());
  return ids;
}

class ViewTest : public testing::Test {
 protected:
  ViewTest() {
    core::Records records;
    records.jobs = {MakeJob("job-a", 1, domain::JobState::kRunning),
                    MakeJob("job-b", 2, domain::JobState::kPending),
                    MakeJob("job-c", 2, domain::JobState::kSucceeded)};
    domain::Node node;
    node.description.id = domain::NodeId("n");
    records.nodes = {node};
    view_.Load(records);
  }
  View view_{10};
};

TEST_F(ViewTest, ListsNewestFirstInPages) {
  const auto all = [](const domain::Job&) { return true; };
  EXPECT_THAT(Ids(view_.List({}, 10, all)), ElementsAre("job-c", "job-b", "job-a"));
  const ListPosition after{FromMicros(2), domain::JobId("job-c")};
  EXPECT_THAT(Ids(view_.List(after, 1, all)), ElementsAre("job-b"));
  const auto pending = [](const domain::Job& job) {
    return job.state == domain::JobState::kPending;
  };
  EXPECT_THAT(Ids(view_.List({}, 10, pending)), ElementsAre("job-b"));
}

TEST_F(ViewTest, CommitsReplaceRecordsAndWakeWatchers) {
  const auto watch = view_.signals().Subscribe(domain::JobId("job-b")).value();
  const JobPtr before = view_.Job(domain::JobId("job-b"));
  view_.Apply(With(MakeJob("job-b", 2, domain::JobState::kStarting)));
  EXPECT_EQ(before->state, domain::JobState::kPending) << "what a reader holds never changes";
  EXPECT_EQ(view_.Job(domain::JobId("job-b"))->state, domain::JobState::kStarting);
  EXPECT_TRUE(watch->Wait(std::chrono::milliseconds(0)));
  EXPECT_EQ(view_.Count(domain::JobState::kPending), 0U);
  EXPECT_EQ(view_.Count(domain::JobState::kStarting), 1U);
  EXPECT_EQ(view_.Job(domain::JobId("job-x")), nullptr);
}

TEST_F(ViewTest, NodesShowWhatLiveJobsHold) {
  EXPECT_EQ(view_.Nodes()->at(0).cpu_slots_in_use, 1U);
  EXPECT_THAT(view_.Nodes()->at(0).jobs, ElementsAre(domain::JobId("job-a")));
  view_.Apply(With(MakeJob("job-a", 1, domain::JobState::kSucceeded)));
  EXPECT_EQ(view_.Nodes()->at(0).cpu_slots_in_use, 0U);
}

TEST_F(ViewTest, NodesAreTheSameListUntilSomethingOfThemChanges) {
  const NodesPtr before = view_.Nodes();
  view_.Apply(With(MakeJob("job-b", 2, domain::JobState::kPending)));
  EXPECT_EQ(view_.Nodes(), before) << "a job that waits holds nothing";
  core::Commit commit;
  commit.sequence = 1;
  commit.nodes.push_back(before->at(0).node);
  commit.nodes.back().state = domain::NodeState::kLost;
  view_.Apply(commit);
  EXPECT_EQ(view_.Nodes()->at(0).node.state, domain::NodeState::kLost);
  EXPECT_NE(before->at(0).node.state, domain::NodeState::kLost)
      << "what a reader holds never changes";
}

TEST_F(ViewTest, AnEngineIsNoNodeOfTheCluster) {
  core::Commit commit;
  commit.sequence = 1;
  commit.nodes.emplace_back().description = {.id = domain::NodeId("engine:x"), .engine = "x"};
  commit.nodes.emplace_back().description = {.id = domain::NodeId("m")};
  view_.Apply(commit);
  const NodesPtr nodes = view_.Nodes();
  for (const NodeView& node : *nodes) EXPECT_NE(node.node.id(), domain::NodeId("engine:x"));
}

}  // namespace
}  // namespace lathe::runtime
