#include "coordinator/scheduler/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <map>
#include <set>

#include "common/base/random.h"

namespace lathe::scheduler {
namespace {

using domain::JobId;
using domain::NodeDescription;
using domain::NodeId;
using domain::ReasonCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// A cluster and a queue that own what a snapshot points to.
class Cluster {
 public:
  NodeView& AddNode(const std::string& id, std::uint32_t gpus, std::uint32_t slots = 0,
                    const std::string& type = "NVIDIA A100") {
    NodeDescription& description = descriptions_.emplace_back();
    description.id = NodeId(id);
    description.models = {"base"};
    description.resources.cpu_slots = slots;
    description.resources.cuda = gpus > 0;
    NodeView view{&description, {}, slots};
    for (std::uint32_t i = 0; i < gpus; ++i) {
      description.resources.gpus.push_back({i, "uuid", type, 40ULL << 30});
      view.free_gpus.push_back(i);
    }
    snapshot_.nodes.push_back(view);
    return snapshot_.nodes.back();
  }
  NodeDescription& description(std::size_t index) { return descriptions_[index]; }

  std::uint32_t AddShape(domain::ResourceRequest resources, const std::string& model = "base",
                         std::vector<std::string> features = {}) {
    shapes_.push_back({std::move(resources), model, "", std::move(features)});
    snapshot_.shapes.push_back(&shapes_.back());
    return static_cast<std::uint32_t>(shapes_.size() - 1);
  }

  JobView& AddJob(const std::string& id, std::uint32_t shape, std::int32_t priority = 0) {
    ids_.push_back(JobId(id));
    snapshot_.queue.push_back({&ids_.back(), shape, priority, FromMicros(++age_)});
    return snapshot_.queue.back();
  }

  const Shape& shape(std::size_t index) const { return shapes_[index]; }
  Snapshot& snapshot() { return snapshot_; }
  Plan Pass() const { return MakePlan(snapshot_); }

 private:
  std::deque<NodeDescription> descriptions_;
  std::deque<Shape> shapes_;
  std::deque<JobId> ids_;
  Snapshot snapshot_;
  std::int64_t age_ = 0;
};

std::vector<std::string> Order(const Plan& plan) {
  std::vector<std::string> text;
  for (const Placement& p : plan.placements) text.push_back(p.job.value() + "@" + p.node.value());
  return text;
}

TEST(Scheduler, PriorityThenAge) {
  Cluster cluster;
  cluster.AddNode("a", 2);
  const auto one = cluster.AddShape({.gpus = 1});
  cluster.AddJob("old", one);
  cluster.AddJob("young", one);
  cluster.AddJob("urgent", one, 5);
  EXPECT_THAT(Order(cluster.Pass()), ElementsAre("urgent@a", "old@a"));
}

TEST(Scheduler, EmptyClusterAndEmptyQueue) {
  Cluster cluster;
  EXPECT_THAT(cluster.Pass().placements, IsEmpty());
  cluster.AddJob("job", cluster.AddShape({.gpus = 1}));
  EXPECT_THAT(cluster.Pass().placements, IsEmpty());
}

TEST(Scheduler, TightestFitKeepsLargeBlocksWhole) {
  Cluster cluster;
  cluster.AddNode("a", 8);
  cluster.AddNode("b", 2);
  const auto two = cluster.AddShape({.gpus = 2});
  const auto eight = cluster.AddShape({.gpus = 8});
  cluster.AddJob("small", two);
  cluster.AddJob("large", eight);
  EXPECT_THAT(Order(cluster.Pass()), ElementsAre("small@b", "large@a"));
}

TEST(Scheduler, CpuJobsSpread) {
  Cluster cluster;
  cluster.AddNode("a", 0, 2);
  cluster.AddNode("b", 0, 2);
  const auto slot = cluster.AddShape({.cpu_slots = 1});
  for (const char* id : {"1", "2", "3", "4", "5"}) cluster.AddJob(id, slot);
  EXPECT_THAT(Order(cluster.Pass()), ElementsAre("1@a", "2@b", "3@a", "4@b"));
}

TEST(Scheduler, GpusAreGivenByIndexAndOnce) {
  Cluster cluster;
  cluster.AddNode("a", 4).free_gpus = {1, 2, 3};
  const auto one = cluster.AddShape({.gpus = 1});
  const auto two = cluster.AddShape({.gpus = 2});
  cluster.AddJob("x", two);
  cluster.AddJob("y", one);
  const Plan plan = cluster.Pass();
  ASSERT_THAT(plan.placements, SizeIs(2));
  EXPECT_THAT(plan.placements[0].gpus, ElementsAre(1, 2));
  EXPECT_THAT(plan.placements[1].gpus, ElementsAre(3));
}

TEST(Scheduler, TypeAndMemoryOfEachGpuCount) {
  Cluster cluster;
  cluster.AddNode("a", 2, 0, "NVIDIA T4");
  cluster.AddNode("b", 2);
  cluster.description(1).resources.gpus[0].memory_bytes = 80ULL << 30;
  cluster.AddJob("typed", cluster.AddShape({.gpus = 1, .gpu_type = "a100"}));
  cluster.AddJob("large", cluster.AddShape({.gpus = 1, .min_gpu_memory_bytes = 60ULL << 30}));
  cluster.AddJob("never", cluster.AddShape({.gpus = 1, .gpu_type = "H100"}));
  const Plan plan = cluster.Pass();
  // The first takes the 80 GiB card, as it is the first that suits; the second finds none.
  EXPECT_THAT(Order(plan), ElementsAre("typed@b"));
}

TEST(Scheduler, BaseModelMustBeThere) {
  Cluster cluster;
  cluster.AddNode("a", 1);
  cluster.AddNode("b", 1);
  cluster.description(1).models = {"base", "other"};
  cluster.AddJob("job", cluster.AddShape({.gpus = 1}, "other"));
  EXPECT_THAT(Order(cluster.Pass()), ElementsAre("job@b"));
}

TEST(Scheduler, FolderIsPreferredAndFaultyNodeAvoidedButNotAtAnyPrice) {
  Cluster cluster;
  cluster.AddNode("a", 1);
  cluster.AddNode("b", 8);
  const NodeId a("a");
  const NodeId b("b");
  const auto one = cluster.AddShape({.gpus = 1});
  cluster.AddJob("follows", one).preferred = &b;
  cluster.AddJob("flees", one).avoided = &a;
  cluster.AddJob("fits", one);
  EXPECT_THAT(Order(cluster.Pass()), ElementsAre("follows@b", "flees@b", "fits@a"));

  Cluster small;
  small.AddNode("a", 1);
  small.AddJob("flees", small.AddShape({.gpus = 1})).avoided = &a;
  EXPECT_THAT(Order(small.Pass()), ElementsAre("flees@a"));
}

TEST(Scheduler, SmallJobsPassALargeOneThatDoesNotFit) {
  Cluster cluster;
  cluster.AddNode("a", 2);
  cluster.AddJob("large", cluster.AddShape({.gpus = 4}), 9);
  cluster.AddJob("small", cluster.AddShape({.gpus = 1}));
  EXPECT_THAT(Order(cluster.Pass()), ElementsAre("small@a"));
}

TEST(Scheduler, ExplainsWithNumbers) {
  Cluster cluster;
  const auto shape = cluster.AddShape({.gpus = 4, .gpu_type = "A100"});
  const auto why = [&] { return Explain(cluster.snapshot().nodes, cluster.shape(shape)); };
  EXPECT_EQ(why().code, ReasonCode::kWaitingForNode);
  cluster.AddNode("a", 2);
  EXPECT_EQ(why().code, ReasonCode::kNoNodeFits);
  cluster.AddNode("b", 4).free_gpus = {0, 3};
  EXPECT_EQ(why().code, ReasonCode::kWaitingForResources);
  EXPECT_EQ(why().detail, "Needs 4 GPUs of type A100 on one worker; the largest free block is 2.");
  cluster.AddNode("c", 4);
  EXPECT_EQ(why().code, ReasonCode::kQueued);
  EXPECT_EQ(Explain(cluster.snapshot().nodes, {{.gpus = 1}, "none"}).code,
            ReasonCode::kBaseModelMissing);
}

/// What a plan must never do, whatever cluster and queue it was made from.
void CheckPlan(Cluster& cluster, const Plan& plan) {
  std::set<JobId> jobs;
  std::map<NodeId, std::set<std::uint32_t>> gpus;
  std::map<NodeId, std::uint32_t> slots;
  std::map<JobId, const Shape*> shapes;
  for (const JobView& job : cluster.snapshot().queue) {
    shapes[*job.id] = cluster.snapshot().shapes[job.shape];
  }
  for (const Placement& placement : plan.placements) {
    EXPECT_TRUE(jobs.insert(placement.job).second);
    EXPECT_EQ(placement.gpus.size(), shapes.at(placement.job)->resources.gpus);
    for (const auto gpu : placement.gpus) EXPECT_TRUE(gpus[placement.node].insert(gpu).second);
    slots[placement.node] += shapes.at(placement.job)->resources.cpu_slots;
  }
  for (const NodeView& node : cluster.snapshot().nodes) {
    EXPECT_LE(slots[node.description->id], node.free_cpu_slots);
    const std::set<std::uint32_t> free(node.free_gpus.begin(), node.free_gpus.end());
    for (const auto gpu : gpus[node.description->id]) EXPECT_TRUE(free.contains(gpu));
  }
}

TEST(Scheduler, PlansNeverExceedTheClusterAndLeaveNothingUnused) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    Cluster cluster;
    for (std::uint64_t i = 0; i < 1 + random.Below(8); ++i) {
      cluster.AddNode("n" + std::to_string(i), static_cast<std::uint32_t>(random.Below(9)),
                      static_cast<std::uint32_t>(random.Below(4)));
    }
    for (std::uint32_t g = 0; g <= 8; ++g) {
      cluster.AddShape({.gpus = g, .cpu_slots = g == 0 ? 1U : 0U});
    }
    for (std::uint64_t i = 0; i < random.Below(60); ++i) {
      cluster.AddJob("j" + std::to_string(i), static_cast<std::uint32_t>(random.Below(9)),
                     static_cast<std::int32_t>(random.Below(3)));
    }
    SCOPED_TRACE(seed);
    const Plan plan = cluster.Pass();
    CheckPlan(cluster, plan);
    std::reverse(cluster.snapshot().queue.begin(), cluster.snapshot().queue.end());
    EXPECT_EQ(cluster.Pass().placements, plan.placements) << "the order given must not matter";
  }
}

/// Milliseconds of one pass over 100,000 jobs and 10,000 GPUs.
double TimePass(std::uint32_t shapes, std::uint32_t free_gpus) {
  Cluster cluster;
  for (int i = 0; i < 1250; ++i) {
    cluster.AddNode("node-" + std::to_string(10000 + i), 8).free_gpus.resize(free_gpus);
  }
  for (std::uint32_t s = 0; s < shapes; ++s) {
    cluster.AddShape({.gpus = 1 + s % 8, .min_gpu_memory_bytes = s});
  }
  for (std::uint32_t i = 0; i < 100000; ++i) {
    cluster.AddJob("job-" + std::to_string(i), i % shapes, static_cast<std::int32_t>(i % 7));
  }
  const auto start = std::chrono::steady_clock::now();
  const Plan plan = cluster.Pass();
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - start;
  EXPECT_EQ(plan.placements.empty(), free_gpus == 0);
  return elapsed.count();
}

TEST(Scheduler, LargePassesAreShort) {
  // Generous: other work shares the machine, and sanitizers multiply.
  constexpr double kLimit = 2000;
  for (const std::uint32_t shapes : {8U, 1000U}) {
    for (const std::uint32_t free_gpus : {0U, 1U, 8U}) {
      const double elapsed = TimePass(shapes, free_gpus);
      EXPECT_LT(elapsed, kLimit);
      std::cout << shapes << " shapes, " << free_gpus << " free GPUs a node: " << elapsed
                << " ms\n";
    }
  }
}

TEST(Scheduler, OnlyWhereTheTrainerCanDoAllThatIsAskedFor) {
  Cluster cluster;
  const std::vector<std::string> much = {"a", "b", "c"};
  const std::vector<std::string> little = {"b"};
  const std::vector<std::string> nothing;
  cluster.AddNode("untold", 0, 1);
  cluster.AddNode("lacks-much", 0, 1).lacks = &much;
  cluster.AddNode("lacks-b", 0, 1).lacks = &little;
  const auto plain = cluster.AddShape({.cpu_slots = 1});
  const auto special = cluster.AddShape({.cpu_slots = 1}, "base", {"b", "z"});
  const auto other = cluster.AddShape({.cpu_slots = 1}, "base", {"a"});
  cluster.AddJob("special", special);
  cluster.AddJob("other", other);
  cluster.AddJob("plain", plain);
  EXPECT_THAT(Order(cluster.Pass()), ElementsAre("other@lacks-b", "plain@untold"));

  auto& nodes = cluster.snapshot().nodes;
  EXPECT_EQ(Explain(nodes, cluster.shape(special)).code, ReasonCode::kTrainerLacks);
  EXPECT_THAT(Explain(nodes, cluster.shape(special)).detail, HasSubstr("untold has told"));
  nodes.erase(nodes.begin());
  EXPECT_THAT(Explain(nodes, cluster.shape(special)).detail, HasSubstr("lacks b."));
  EXPECT_THAT(Explain({nodes[0]}, cluster.shape(other)).detail, HasSubstr("lacks-much lacks a."));
  nodes[0].lacks = &nothing;
  EXPECT_THAT(Order(cluster.Pass()), ElementsAre("special@lacks-much", "other@lacks-b"));
}

}  // namespace
}  // namespace lathe::scheduler
