// The loop over the real core and the memory store, with a store that can be taken away.

#include "coordinator/runtime/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "coordinator/runtime/measured_store.h"
#include "coordinator/storage/memory_store.h"

namespace lathe::runtime {
namespace {

using testing::HasSubstr;

/// Passes everything on, or fails commits and renewals with an error.
class BreakableStore final : public storage::Store {
 public:
  explicit BreakableStore(storage::Store& store) : store_(store) {}
  void Break(ErrorCode code) { broken_ = static_cast<int>(code); }
  void Mend() { broken_ = -1; }
  int commits() const { return commits_; }

  Result<std::uint64_t> AcquireLeadership(const std::string& holder, Duration ttl) override {
    return store_.AcquireLeadership(holder, ttl);
  }
  Status RenewLeadership(Duration ttl) override {
    LATHE_RETURN_IF_ERROR(Check());
    return store_.RenewLeadership(ttl);
  }
  Status ReleaseLeadership() override { return store_.ReleaseLeadership(); }
  Result<core::Records> Load() override { return store_.Load(); }
  Status Commit(std::span<const core::Commit> commits) override {
    ++commits_;
    LATHE_RETURN_IF_ERROR(Check());
    return store_.Commit(commits);
  }
  Result<std::vector<storage::AppendResult>> AppendEvents(
      std::span<const storage::EventBatch> batches) override {
    return store_.AppendEvents(batches);
  }
  Result<std::vector<storage::StoredEvent>> ReadEvents(const domain::JobId& job,
                                                       std::optional<core::EventId> after,
                                                       std::size_t limit) override {
    return store_.ReadEvents(job, after, limit);
  }
  Result<std::uint64_t> HighestMetricStep(const domain::JobId& job) override {
    return store_.HighestMetricStep(job);
  }
  Result<std::string> ReadConfiguration(const std::string& hash) override {
    return store_.ReadConfiguration(hash);
  }
  Result<storage::ResourceWriteResult> WriteResource(const storage::ResourceWrite& write) override {
    return store_.WriteResource(write);
  }
  Result<std::optional<storage::Resource>> ReadResource(const storage::ResourceId& id) override {
    return store_.ReadResource(id);
  }
  Result<std::vector<storage::ListedResource>> ListResources(const storage::ResourceIndex& index,
                                                             const std::string& after,
                                                             std::size_t limit) override {
    return store_.ListResources(index, after, limit);
  }
  Status PublishSchema(const storage::PublishedSchema& schema) override {
    return store_.PublishSchema(schema);
  }
  Result<std::vector<Finding>> CheckDurability() override { return store_.CheckDurability(); }

 private:
  Status Check() const {
    if (broken_ < 0) return {};
    return Failure(static_cast<ErrorCode>(broken_.load()), "broken by the test");
  }
  storage::Store& store_;
  std::atomic<int> broken_{-1};
  std::atomic<int> commits_{0};
};

/// Remembers the orders it is given.
class RecordingNodes final : public NodeGateway {
 public:
  void Send(domain::SessionId, const core::NodeCommand&) override {}
  void Start(domain::SessionId, const StartOrder& order) override { started_.set_value(order); }
  void Close(domain::SessionId, const std::string&) override {}
  StartOrder WaitForStart() { return started_.get_future().get(); }

 private:
  std::promise<StartOrder> started_;
};

class LoopTest : public testing::Test {
 protected:
  LoopTest() {
    EXPECT_TRUE(memory_->AcquireLeadership("test", std::chrono::hours(1)));
    LoopOptions options;
    options.tick = std::chrono::milliseconds(10);
    options.leadership = std::chrono::milliseconds(150);
    options.reply_limit = std::chrono::milliseconds(500);
    loop_ = std::make_unique<Loop>(
        options, core::Recover(core::Settings{}, {}, {clock_.Now(), clock_.MonotonicNow()}),
        LoopContext{measured_, clock_, view_, nodes_, telemetry_});
    loop_->Start([this](const Error& error) { fatal_.set_value(error); });
  }
  Result<domain::Job> Submit(const std::string& id) {
    return loop_->Call([&](core::Ticket ticket) {
      core::JobSubmitted event{ticket, {}, "{}"};
      event.spec.id = domain::JobId(id);
      event.spec.resources.cpu_slots = 1;
      event.spec.base_model = "tiny";
      event.spec.configuration_hash = "hash";
      return event;
    });
  }

  SystemClock clock_;
  std::unique_ptr<storage::Store> memory_ =
      storage::MakeMemoryStore(storage::MakeMemoryDatabase(clock_));
  BreakableStore store_{*memory_};
  telemetry::Telemetry telemetry_;
  MeasuredStore measured_{store_, clock_, telemetry_};
  View view_{10};
  RecordingNodes nodes_;
  std::promise<Error> fatal_;
  std::unique_ptr<Loop> loop_;
};

TEST_F(LoopTest, AnswersOnceDurable) {
  EXPECT_EQ(Submit("job-1").value().state, domain::JobState::kPending);
  EXPECT_EQ(memory_->Load().value().jobs.size(), 1U);
  EXPECT_NE(view_.Job(domain::JobId("job-1")), nullptr);
}

TEST_F(LoopTest, StartsAJobWithWhatTheStoreKnows) {
  ASSERT_TRUE(Submit("job-1"));
  core::NodeRegistered node{domain::SessionId(1), {}, {}};
  node.description.id = domain::NodeId("n");
  node.description.resources.cpu_slots = 1;
  node.description.models = {"tiny"};
  ASSERT_TRUE(loop_->Post(node));
  const StartOrder order = nodes_.WaitForStart();
  EXPECT_EQ(order.start.spec.id, domain::JobId("job-1"));
  EXPECT_EQ(order.configuration, "{}");
  loop_->Stop();
  EXPECT_THAT(telemetry_.Text(), HasSubstr("lathe_queue_wait_seconds_count 1"));
  EXPECT_THAT(telemetry_.Text(), HasSubstr("lathe_redis_duration_seconds_count{op=\"commit\"}"));
}

TEST_F(LoopTest, AnAbsentStoreIsToldAndComesBack) {
  store_.Break(ErrorCode::kUnavailable);
  EXPECT_EQ(Submit("job-1").error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(loop_->store_available());
  EXPECT_EQ(Submit("job-2").error().code, ErrorCode::kUnavailable) << "at once, nothing is queued";
  store_.Mend();
  while (!loop_->store_available()) std::this_thread::yield();
  EXPECT_TRUE(Submit("job-3"));
  EXPECT_EQ(memory_->Load().value().jobs.size(), 2U) << "the first was tried again, the second not";
}

TEST_F(LoopTest, StoppingDoesNotWaitForAnAbsentStore) {
  store_.Break(ErrorCode::kUnavailable);
  EXPECT_FALSE(Submit("job-1"));
  loop_->Stop();
  EXPECT_EQ(memory_->Load().value().jobs.size(), 0U);
}

TEST_F(LoopTest, AFencedCoordinatorEnds) {
  store_.Break(ErrorCode::kAborted);
  EXPECT_EQ(Submit("job-1").error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(fatal_.get_future().get().code, ErrorCode::kAborted);
  EXPECT_FALSE(loop_->Post(core::Ticked{}));
  EXPECT_EQ(view_.Job(domain::JobId("job-1")), nullptr) << "nothing undurable is shown";
}

TEST_F(LoopTest, AFencedCoordinatorEndsWithoutWork) {
  store_.Break(ErrorCode::kAborted);
  EXPECT_EQ(fatal_.get_future().get().code, ErrorCode::kAborted) << "the renewal finds it";
}

}  // namespace
}  // namespace lathe::runtime
