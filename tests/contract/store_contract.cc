#include "tests/contract/store_contract.h"

#include <gmock/gmock.h>

#include <thread>

namespace lathe::storage {
namespace {

using core::Commit;
using core::EventId;
using domain::AttemptKey;
using domain::AttemptNumber;
using domain::Job;
using domain::JobId;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Duration kTtl = std::chrono::seconds(60);

Job MakeJob(const std::string& id, std::uint64_t revision) {
  Job job;
  job.spec.id = JobId(id);
  job.spec.name = std::string("n\0\xC3\xA4me", 6);
  job.spec.configuration_hash = "hash";
  job.spec.train = {"abc", 12};
  job.revision = revision;
  job.created = FromMicros(1234567);
  job.progress.loss = 1.5;
  job.checkpoint = {40, {{{"a/b.safetensors", {"ff", 3}}}}};
  return job;
}

domain::Node MakeNode(const std::string& id, std::uint64_t revision) {
  domain::Node node;
  node.description.id = domain::NodeId(id);
  node.description.models = {"a", "b"};
  node.description.resources.gpus = {{0, "uuid", "A100", 1ULL << 35}};
  node.revision = revision;
  node.reason = "Connected.";
  return node;
}

Commit JobCommit(std::uint64_t sequence, const Job& job) {
  Commit commit;
  commit.sequence = sequence;
  commit.jobs = {job};
  return commit;
}

/// Opens or closes an attempt in the job's stream.
Commit WithStateEvent(Commit commit, const JobId& job, EventId id) {
  commit.state_events.push_back({job,
                                 id,
                                 FromMicros(7000000),
                                 domain::JobState::kStarting,
                                 {domain::ReasonCode::kAssigned, ""}});
  return commit;
}

EventRecord Metric(std::uint64_t sequence, std::uint64_t step) {
  return {sequence, "metric", FromMicros(5), step, "{\"step\":" + std::to_string(step) + "}"};
}
EventRecord Evaluation(std::uint64_t sequence) {
  return {sequence, "evaluation", FromMicros(6), std::nullopt, "{}"};
}
EventRecord Log(std::uint64_t sequence) {
  return {sequence, "log", FromMicros(6), std::nullopt, R"({"line":"x"})"};
}
EventBatch Batch(std::uint32_t attempt, std::vector<EventRecord> events) {
  return {{JobId("job-1"), AttemptNumber(attempt)}, std::move(events)};
}

std::vector<std::string> Ids(const std::vector<StoredEvent>& events) {
  std::vector<std::string> ids;
  for (const StoredEvent& event : events) ids.push_back(ToString(event.id));
  return ids;
}

ErrorCode CodeOf(const Status& status) {
  EXPECT_FALSE(status.has_value());
  return status ? ErrorCode::kInternal : status.error().code;
}

class Lead : public StoreContract {
 protected:
  void SetUp() override {
    StoreContract::SetUp();
    ASSERT_TRUE(store_->AcquireLeadership("one", kTtl));
  }
  Status Apply(const Commit& commit) { return store_->Commit({&commit, 1}); }
  AppendResult Append(const EventBatch& batch) {
    const auto results = store_->AppendEvents({&batch, 1});
    EXPECT_TRUE(results.has_value()) << ToString(results.error());
    return results ? results->front() : AppendResult{};
  }
};

// ---- records ----

TEST_P(Lead, LoadsWhatWasCommitted) {
  Commit commit = JobCommit(1, MakeJob("job-1", 1));
  commit.nodes = {MakeNode("node-1", 1)};
  commit.configurations = {{"hash", std::string("by\0tes", 6)}};
  ASSERT_TRUE(Apply(commit));
  const auto other = backend_->Open();
  const auto records = other->Load();
  ASSERT_TRUE(records);
  EXPECT_THAT(records->jobs, ElementsAre(MakeJob("job-1", 1)));
  EXPECT_THAT(records->nodes, ElementsAre(MakeNode("node-1", 1)));
  EXPECT_EQ(*other->ReadConfiguration("hash"), std::string("by\0tes", 6));
  EXPECT_EQ(other->ReadConfiguration("none").error().code, ErrorCode::kNotFound);
}

TEST_P(Lead, LoadsManyRecords) {
  std::vector<Commit> commits;
  for (std::uint64_t i = 1; i <= 3000; ++i) {
    commits.push_back(JobCommit(i, MakeJob("job-" + std::to_string(i), 1)));
  }
  ASSERT_TRUE(store_->Commit(commits));
  EXPECT_THAT(store_->Load()->jobs, SizeIs(3000));
}

TEST_P(Lead, AppliesManyCommitsInOrder) {
  const std::vector<Commit> commits = {JobCommit(1, MakeJob("job-1", 1)), Commit{},
                                       JobCommit(2, MakeJob("job-1", 2))};
  ASSERT_TRUE(store_->Commit(commits));
  EXPECT_THAT(store_->Load()->jobs, ElementsAre(MakeJob("job-1", 2)));
}

TEST_P(Lead, RepeatedCommitIsHarmless) {
  const std::vector<Commit> commits = {
      WithStateEvent(JobCommit(1, MakeJob("job-1", 1)), JobId("job-1"), {0, 1}),
      JobCommit(2, MakeJob("job-1", 2))};
  ASSERT_TRUE(store_->Commit(commits));
  ASSERT_TRUE(store_->Commit(commits));
  EXPECT_EQ(store_->Load()->jobs.front().revision, 2U);
  EXPECT_THAT(*store_->ReadEvents(JobId("job-1"), std::nullopt, 10), SizeIs(1));
}

TEST_P(Lead, RefusesAWrongRevisionAsAWhole) {
  ASSERT_TRUE(Apply(JobCommit(1, MakeJob("job-1", 1))));
  Commit commit = WithStateEvent(JobCommit(2, MakeJob("job-2", 1)), JobId("job-2"), {0, 1});
  commit.jobs.push_back(MakeJob("job-1", 3));
  commit.configurations = {{"h2", "bytes"}};
  EXPECT_EQ(CodeOf(Apply(commit)), ErrorCode::kAborted);
  EXPECT_THAT(store_->Load()->jobs, SizeIs(1));
  EXPECT_THAT(*store_->ReadEvents(JobId("job-2"), std::nullopt, 10), IsEmpty());
  EXPECT_FALSE(store_->ReadConfiguration("h2"));
}

TEST_P(Lead, WhatFollowsARefusedCommitIsNotApplied) {
  const std::vector<Commit> commits = {JobCommit(1, MakeJob("job-1", 5)),
                                       JobCommit(2, MakeJob("job-2", 1))};
  EXPECT_EQ(CodeOf(store_->Commit(commits)), ErrorCode::kAborted);
  EXPECT_THAT(store_->Load()->jobs, IsEmpty());
}

TEST_P(Lead, RefusesASkippedSequence) {
  EXPECT_EQ(CodeOf(Apply(JobCommit(2, MakeJob("job-1", 1)))), ErrorCode::kAborted);
}

// ---- leadership ----

TEST_P(Lead, KeepsOthersOutUntilItsTimeHasPassed) {
  const auto other = backend_->Open();
  ASSERT_TRUE(store_->RenewLeadership(std::chrono::milliseconds(300)));
  const auto refused = other->AcquireLeadership("two", kTtl);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("one"));
  backend_->Wait(std::chrono::milliseconds(400));
  EXPECT_EQ(*other->AcquireLeadership("two", kTtl), 2U);
}

TEST_P(Lead, SameHolderTakesOverAtOnceAndFencesItsPast) {
  const auto restarted = backend_->Open();
  EXPECT_EQ(*restarted->AcquireLeadership("one", kTtl), 2U);
  EXPECT_EQ(CodeOf(Apply(JobCommit(1, MakeJob("job-1", 1)))), ErrorCode::kAborted);
  EXPECT_EQ(CodeOf(store_->RenewLeadership(kTtl)), ErrorCode::kAborted);
  const Commit commit = JobCommit(1, MakeJob("job-1", 1));
  EXPECT_TRUE(restarted->Commit({&commit, 1}));
}

TEST_P(Lead, ReleaseLetsAnotherOneIn) {
  const auto other = backend_->Open();
  ASSERT_TRUE(store_->ReleaseLeadership());
  EXPECT_TRUE(other->AcquireLeadership("two", kTtl));
  ASSERT_TRUE(store_->ReleaseLeadership());
  const auto third = backend_->Open();
  EXPECT_FALSE(third->AcquireLeadership("three", kTtl)) << "a fenced release must do nothing";
}

TEST_P(Lead, LateRenewalHoldsWhileNobodyTookOver) {
  ASSERT_TRUE(store_->RenewLeadership(std::chrono::milliseconds(100)));
  backend_->Wait(std::chrono::milliseconds(200));
  EXPECT_TRUE(store_->RenewLeadership(kTtl));
  EXPECT_FALSE(backend_->Open()->AcquireLeadership("two", kTtl));
}

// ---- events ----

class Streams : public Lead {
 protected:
  void SetUp() override {
    Lead::SetUp();
    ASSERT_TRUE(Apply(Open(1, 1)));
  }
  /// The commit that starts an attempt.
  Commit Open(std::uint64_t sequence, std::uint32_t attempt) {
    return WithStateEvent(JobCommit(sequence, MakeJob("job-1", sequence)), JobId("job-1"),
                          {attempt, 0});
  }
};

TEST_P(Streams, StoresEachEventOnceAndInOrder) {
  EXPECT_EQ(Append(Batch(1, {Metric(1, 1), Log(2)})), (AppendResult{2, 0, 0}));
  EXPECT_EQ(Append(Batch(1, {Metric(1, 1), Log(2), Metric(3, 2)})), (AppendResult{1, 2, 0}));
  const auto events = store_->ReadEvents(JobId("job-1"), std::nullopt, 100);
  ASSERT_TRUE(events);
  EXPECT_THAT(Ids(*events), ElementsAre("1-0", "1-1", "1-2", "1-3"));
  EXPECT_EQ(events->at(1), (StoredEvent{{1, 1}, "metric", FromMicros(5), "{\"step\":1}"}));
  EXPECT_EQ(events->at(0).type, "state");
  EXPECT_THAT(events->at(0).json, ::testing::HasSubstr(R"("state":"starting")"));
}

TEST_P(Streams, ReadsFromAPlaceWithALimit) {
  Append(Batch(1, {Log(1), Log(2), Log(3), Log(4)}));
  EXPECT_THAT(Ids(*store_->ReadEvents(JobId("job-1"), EventId{1, 1}, 2)),
              ElementsAre("1-2", "1-3"));
  EXPECT_THAT(*store_->ReadEvents(JobId("job-1"), EventId{1, 4}, 2), IsEmpty());
  EXPECT_THAT(*store_->ReadEvents(JobId("none"), std::nullopt, 2), IsEmpty());
}

TEST_P(Streams, RefusesAnAttemptThatIsOver) {
  Append(Batch(1, {Metric(1, 1)}));
  ASSERT_TRUE(Apply(Open(2, 2)));
  EXPECT_EQ(Append(Batch(1, {Metric(2, 2)})), (AppendResult{0, 0, 1}));
  EXPECT_EQ(Append(Batch(2, {Metric(1, 2)})), (AppendResult{1, 0, 0}));
}

TEST_P(Streams, RefusesAClosedAttemptAndOneThatWasNeverOpened) {
  ASSERT_TRUE(Apply(
      WithStateEvent(JobCommit(2, MakeJob("job-1", 2)), JobId("job-1"), {1, EventId::kSeal})));
  EXPECT_EQ(Append(Batch(1, {Log(1)})), (AppendResult{0, 0, 1}));
  EXPECT_EQ(Append(Batch(2, {Log(1)})), (AppendResult{0, 0, 1}));
  const EventBatch unknown{{JobId("none"), AttemptNumber(1)}, {Log(1)}};
  EXPECT_EQ(Append(unknown), (AppendResult{0, 0, 1}));
  ASSERT_TRUE(Apply(Open(3, 2)));
  EXPECT_EQ(Append(Batch(2, {Log(1)})), (AppendResult{1, 0, 0}));
}

TEST_P(Streams, AppendsManyBatchesAtOnce) {
  const std::vector<EventBatch> batches = {Batch(1, {Log(1)}), Batch(1, {Log(1), Log(2)}),
                                           Batch(7, {Log(1)})};
  EXPECT_THAT(*store_->AppendEvents(batches),
              ElementsAre(AppendResult{1, 0, 0}, AppendResult{1, 1, 0}, AppendResult{0, 0, 1}));
}

TEST_P(Streams, DropsAnEvaluationThatIsRepeated) {
  const auto append = [&](std::vector<EventRecord> events) {
    return store_->AppendEvents({{Batch(1, std::move(events))}})->front();
  };
  EXPECT_EQ(append({Metric(1, 7), Evaluation(2), Log(3), Evaluation(4)}), (AppendResult{3, 1, 0}));
  EXPECT_EQ(append({Log(5), Evaluation(6), Metric(7, 8)}), (AppendResult{2, 1, 0}))
      << "no metric lies between";
  EXPECT_EQ(append({Evaluation(8)}), (AppendResult{1, 0, 0}));
}

TEST_P(Streams, FindsTheHighestMetricStep) {
  EXPECT_EQ(*store_->HighestMetricStep(JobId("none")), 0U);
  EXPECT_EQ(*store_->HighestMetricStep(JobId("job-1")), 0U);
  Append(Batch(1, {Metric(1, 7), Metric(2, 8)}));
  std::vector<EventRecord> logs;
  for (std::uint64_t i = 3; i < 503; ++i) logs.push_back(Log(i));
  Append(Batch(1, logs));
  EXPECT_EQ(*store_->HighestMetricStep(JobId("job-1")), 8U);
}

TEST_P(Streams, IsUsedByManyThreads) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (std::uint64_t i = 1; i <= 50; ++i) Append(Batch(1, {Log(i)}));
    });
  }
  threads.clear();
  EXPECT_THAT(*store_->ReadEvents(JobId("job-1"), std::nullopt, 1000), SizeIs(51));
}

}  // namespace

#define LATHE_INSTANTIATE(suite)                                           \
  INSTANTIATE_TEST_SUITE_P(Stores, suite, ::testing::ValuesIn(Backends()), \
                           [](const auto& each) { return each.param.name; })
LATHE_INSTANTIATE(Lead);
LATHE_INSTANTIATE(Streams);

}  // namespace lathe::storage
