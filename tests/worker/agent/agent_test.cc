#include "worker/agent/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace lathe::worker::agent {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

std::string Name(ReportPhase phase) {
  constexpr const char* kNames[] = {"started", "succeeded", "failed", "interrupted"};
  return kNames[static_cast<std::size_t>(phase)];
}
std::string Name(KillReason reason) {
  constexpr const char* kNames[] = {"discarded", "superseded", "lease", "timeout"};
  return kNames[static_cast<std::size_t>(reason)];
}
std::string Text(const AttemptKey& key) {
  return key.job + "/" + std::to_string(key.attempt);
}
std::string Text(const Begin& a) {
  return "begin " + Text(a.key) + " " + a.spec;
}
std::string Text(const Terminate& a) {
  return "terminate " + Text(a.key);
}
std::string Text(const Kill& a) {
  return "kill " + Text(a.key) + " " + Name(a.reason);
}
std::string Text(const SendReport& a) {
  return "report " + Text(a.key) + " " + Name(a.phase);
}
std::string Text(const ReportUnknown& a) {
  return "unknown " + Text(a.key);
}
std::string Text(const Forget& a) {
  return "forget " + Text(a.key) + " " + Name(a.phase);
}
std::string Text(const Discard& a) {
  return "discard " + Text(a.key);
}

// An agent on a clock of whole seconds whose actions read as text.
class AgentTest : public testing::Test {
 protected:
  static MonotonicInstant At(int second) { return MonotonicInstant(seconds(second)); }

  std::vector<std::string> Step(const Event& event) {
    std::vector<std::string> texts;
    for (const Action& action : agent_.Step(event, At(now_))) {
      texts.push_back(std::visit([](const auto& a) { return Text(a); }, action));
    }
    return texts;
  }
  std::vector<std::string> Registered() const {
    std::vector<std::string> texts;
    for (const SendReport& report : agent_.Registered()) texts.push_back(Text(report));
    return texts;
  }
  void Connect() { Step(SessionOpened{.lease = seconds(10), .registration_sent = At(now_)}); }
  void StartRunning(const AttemptKey& key) {
    Step(StartRequested{key, "spec"});
    Step(TrainerStarted{key});
    Step(ReportAcked{key, ReportPhase::kStarted});
  }

  int now_ = 100;
  const AttemptKey one_{"j", 1};
  const AttemptKey two_{"j", 2};
  Agent agent_{Settings{}, At(100)};
};

TEST_F(AgentTest, LifeOfAnAttempt) {
  Connect();
  EXPECT_THAT(Step(StartRequested{one_, "spec"}), ElementsAre("begin j/1 spec"));
  EXPECT_THAT(Registered(), IsEmpty()) << "nothing runs yet";
  EXPECT_THAT(Step(TrainerStarted{one_}), ElementsAre("report j/1 started"));
  EXPECT_THAT(Registered(), ElementsAre("report j/1 started"));
  EXPECT_THAT(Step(ReportAcked{one_, ReportPhase::kStarted}), IsEmpty());
  EXPECT_THAT(Step(AttemptEnded{one_, ReportPhase::kSucceeded}), IsEmpty())
      << "events go before the end";
  EXPECT_THAT(Registered(), ElementsAre("report j/1 started"));
  EXPECT_THAT(Step(EventsDelivered{one_}), ElementsAre("report j/1 succeeded"));
  EXPECT_THAT(Registered(), ElementsAre("report j/1 succeeded"));
  EXPECT_THAT(Step(ReportAcked{one_, ReportPhase::kStarted}), IsEmpty()) << "a late one";
  EXPECT_THAT(Step(ReportAcked{one_, ReportPhase::kSucceeded}),
              ElementsAre("forget j/1 succeeded"));
  EXPECT_THAT(Registered(), IsEmpty());
  EXPECT_EQ(agent_.NextDeadline(), std::nullopt);
}

TEST_F(AgentTest, ReportsAreRepeatedUntilAcknowledged) {
  Connect();
  Step(StartRequested{one_, ""});
  Step(TrainerStarted{one_});
  EXPECT_EQ(agent_.NextDeadline(), At(105));
  now_ = 104;
  EXPECT_THAT(Step(TimePassed{}), IsEmpty());
  now_ = 105;
  EXPECT_THAT(Step(TimePassed{}), ElementsAre("report j/1 started"));
  Step(SessionClosed{});
  now_ = 108;
  EXPECT_THAT(Step(TimePassed{}), IsEmpty()) << "nobody listens";
  EXPECT_THAT(Step(SessionOpened{seconds(10), At(108)}), ElementsAre("report j/1 started"));
  Step(ReportAcked{one_, ReportPhase::kStarted});
  now_ = 116;
  EXPECT_THAT(Step(TimePassed{}), IsEmpty());
}

TEST_F(AgentTest, TheSameStartTwiceIsOneAndIsAnsweredAgain) {
  Connect();
  StartRunning(one_);
  EXPECT_THAT(Step(StartRequested{one_, ""}), ElementsAre("report j/1 started"));
  Step(AttemptEnded{one_, ReportPhase::kFailed});
  Step(EventsDelivered{one_});
  Step(ReportAcked{one_, ReportPhase::kFailed});
  EXPECT_THAT(Step(StartRequested{one_, ""}), ElementsAre("report j/1 failed"))
      << "an attempt that is over is never run again";
  EXPECT_THAT(Step(ReportAcked{one_, ReportPhase::kFailed}), IsEmpty());
}

TEST_F(AgentTest, ANewerAttemptWaitsForTheDeathOfTheOlder) {
  Connect();
  StartRunning(one_);
  EXPECT_THAT(Step(StartRequested{two_, "new"}), ElementsAre("kill j/1 superseded"));
  EXPECT_THAT(Step(StartRequested{two_, "new"}), IsEmpty());
  EXPECT_THAT(Registered(), IsEmpty());
  EXPECT_THAT(Step(AttemptEnded{one_, ReportPhase::kFailed}),
              ElementsAre("forget j/1 failed", "begin j/2 new"));
  EXPECT_THAT(Step(StartRequested{one_, "old"}), IsEmpty()) << "the older one is void";
  EXPECT_THAT(Step(StopRequested{one_, StopMode::kDiscard}), IsEmpty());
  EXPECT_THAT(Step(TrainerStarted{one_}), IsEmpty());
  EXPECT_THAT(Step(TrainerStarted{two_}), ElementsAre("report j/2 started"));
}

TEST_F(AgentTest, ANewerAttemptReplacesAnEndThatNobodyAcknowledged) {
  Connect();
  StartRunning(one_);
  Step(AttemptEnded{one_, ReportPhase::kFailed});
  EXPECT_THAT(Step(StartRequested{two_, "new"}), ElementsAre("forget j/1 failed", "begin j/2 new"));
}

TEST_F(AgentTest, ASuccessorThatIsStoppedNeverBegins) {
  Connect();
  StartRunning(one_);
  Step(StartRequested{two_, "new"});
  EXPECT_THAT(Step(StopRequested{two_, StopMode::kDiscard}), IsEmpty());
  EXPECT_THAT(Step(AttemptEnded{one_, ReportPhase::kFailed}), ElementsAre("discard j/1"));
}

TEST_F(AgentTest, StopWithCheckpointTerminatesThenKillsAfterTheGrace) {
  Connect();
  StartRunning(one_);
  EXPECT_THAT(Step(StopRequested{one_, StopMode::kCheckpoint}), ElementsAre("terminate j/1"));
  EXPECT_THAT(Step(StopRequested{one_, StopMode::kCheckpoint}), IsEmpty());
  for (now_ = 101; now_ < 160; ++now_) {
    Step(HeartbeatAcked{At(now_)});
    EXPECT_THAT(Step(TimePassed{}), IsEmpty());
  }
  EXPECT_THAT(Step(TimePassed{}), ElementsAre("kill j/1 timeout"));
  EXPECT_THAT(Step(AttemptEnded{one_, ReportPhase::kFailed}), IsEmpty());
  EXPECT_THAT(Step(EventsDelivered{one_}), ElementsAre("report j/1 failed"));
}

TEST_F(AgentTest, StopDuringPreparationIsAnsweredAsInterrupted) {
  Connect();
  Step(StartRequested{one_, ""});
  EXPECT_THAT(Step(StopRequested{one_, StopMode::kCheckpoint}), ElementsAre("terminate j/1"));
  Step(AttemptEnded{one_, ReportPhase::kInterrupted});
  EXPECT_THAT(Step(EventsDelivered{one_}), ElementsAre("report j/1 interrupted"));
}

TEST_F(AgentTest, DiscardKillsAtOnceAndReportsNothing) {
  Connect();
  StartRunning(one_);
  EXPECT_THAT(Step(StopRequested{one_, StopMode::kDiscard}), ElementsAre("kill j/1 discarded"));
  EXPECT_THAT(Registered(), IsEmpty());
  EXPECT_THAT(Step(AttemptEnded{one_, ReportPhase::kFailed}), ElementsAre("discard j/1"));
  EXPECT_THAT(Step(EventsDelivered{one_}), IsEmpty());
}

TEST_F(AgentTest, DiscardOfAnEndedOrUnknownAttemptRemovesTheFolder) {
  Connect();
  StartRunning(one_);
  Step(AttemptEnded{one_, ReportPhase::kFailed});
  EXPECT_THAT(Step(StopRequested{one_, StopMode::kDiscard}), ElementsAre("discard j/1"));
  EXPECT_THAT(Step(StopRequested{{"x", 3}, StopMode::kDiscard}), ElementsAre("discard x/3"));
}

TEST_F(AgentTest, StopOfAnUnknownAttemptIsAnswered) {
  Connect();
  EXPECT_THAT(Step(StopRequested{one_, StopMode::kCheckpoint}), ElementsAre("unknown j/1"));
}

TEST_F(AgentTest, StopOfAnEndedAttemptRepeatsItsEnd) {
  Connect();
  StartRunning(one_);
  Step(AttemptEnded{one_, ReportPhase::kSucceeded});
  Step(EventsDelivered{one_});
  EXPECT_THAT(Step(StopRequested{one_, StopMode::kCheckpoint}),
              ElementsAre("report j/1 succeeded"));
}

TEST_F(AgentTest, TheLeaseRunsFromTheSendingOfTheLastAcknowledgedHeartbeat) {
  Connect();  // at 100, lease 10
  StartRunning(one_);
  Step(SessionClosed{});
  now_ = 108;
  Step(HeartbeatAcked{At(103)});
  EXPECT_EQ(agent_.NextDeadline(), At(113));
  now_ = 112;
  EXPECT_THAT(Step(TimePassed{}), IsEmpty());
  now_ = 113;
  EXPECT_THAT(Step(TimePassed{}), ElementsAre("kill j/1 lease"));
  EXPECT_THAT(Step(TimePassed{}), IsEmpty());
  Step(AttemptEnded{one_, ReportPhase::kFailed});
  Step(SessionOpened{seconds(10), At(113)});
  EXPECT_THAT(Step(EventsDelivered{one_}), ElementsAre("report j/1 failed"));
}

TEST_F(AgentTest, AnExpiredLeaseEndsPreparationsAndSuccessorsToo) {
  Connect();
  StartRunning(one_);
  Step(StartRequested{two_, "new"});
  Step(StartRequested{{"k", 1}, ""});
  now_ = 110;
  EXPECT_THAT(Step(TimePassed{}), ElementsAre("kill k/1 lease"));
  EXPECT_THAT(Step(AttemptEnded{one_, ReportPhase::kFailed}), IsEmpty()) << "no successor begins";
}

TEST_F(AgentTest, AnOldAcknowledgementDoesNotShortenTheLease) {
  Connect();
  StartRunning(one_);
  Step(HeartbeatAcked{At(105)});
  Step(HeartbeatAcked{At(102)});
  EXPECT_EQ(agent_.NextDeadline(), At(115));
}

TEST_F(AgentTest, ARestartedDaemonGoesOnWithWhatItFinds) {
  Step(AttemptFound{{"a", 1}, FoundState::kRunning, ReportPhase::kFailed, ""});
  Step(AttemptFound{{"b", 4}, FoundState::kEnded, ReportPhase::kInterrupted, ""});
  EXPECT_THAT(Step(AttemptFound{{"c", 2}, FoundState::kUnstarted, ReportPhase::kStarted, "spec"}),
              ElementsAre("begin c/2 spec"));
  EXPECT_THAT(Registered(), ElementsAre("report a/1 started", "report b/4 started"));
  Step(EventsDelivered{{"b", 4}});
  EXPECT_THAT(Registered(), ElementsAre("report a/1 started", "report b/4 interrupted"));
  EXPECT_THAT(Step(SessionOpened{seconds(10), At(100)}),
              ElementsAre("report a/1 started", "report b/4 interrupted"));
}

TEST_F(AgentTest, AdoptedTrainersAreKilledWhenNoCoordinatorIsReached) {
  Step(AttemptFound{{"a", 1}, FoundState::kRunning, ReportPhase::kStarted, ""});
  EXPECT_EQ(agent_.NextDeadline(), At(110));
  now_ = 110;
  EXPECT_THAT(Step(TimePassed{}), ElementsAre("kill a/1 lease"));
}

}  // namespace
}  // namespace lathe::worker::agent
