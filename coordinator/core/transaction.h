#pragma once
// The changes of one step while they are made: which records are touched, what goes into the
// commit, what goes out after it. Every change of a job's state passes ChangeState, which asks the
// table of legal changes and keeps queue, resources, stream entries and transitions in line with
// it.

#include <set>
#include <string>
#include <vector>

#include "coordinator/core/effects.h"
#include "coordinator/core/job_lifecycle.h"
#include "coordinator/core/state.h"

namespace lathe::core {

class Transaction {
 public:
  Transaction(State& state, const Now& now) : state_(state), now_(now) {}

  State& state() { return state_; }
  const Now& now() const { return now_; }

  /// null when there is none.
  const domain::Job* Find(const domain::JobId& id) const;

  void Add(domain::Job job, std::string configuration);
  /// For a change that leaves the state as it is; counts the revision once a step.
  domain::Job& Change(const domain::JobId& id);
  domain::Job& ChangeState(const domain::JobId& id, Trigger trigger, domain::Reason reason);
  /// Gives a pending job a new attempt on a node, with its resources.
  domain::Job& Assign(const domain::JobId& id, NodeEntry& node, std::vector<std::uint32_t> gpus);
  domain::Node& Change(NodeEntry& entry);
  void CountUse(UsedResource used);
  /// Said of the last change of state.
  void Classify(domain::FailureClass failure_class);

  /// Nothing is sent to a node without a stream: its registration will sort it out.
  void Send(const NodeEntry& node, NodeCommand command);
  void Reply(Ticket ticket, Result<domain::Job> result);
  void RequestSchedule() { schedule_ = true; }
  void Close(const NodeEntry& node, std::string reason);

  Outcome Finish();

 private:
  void RecordChange(const domain::Job& job, domain::JobState from, Trigger trigger);
  void ReleaseResources(domain::Job& job);

  State& state_;
  const Now& now_;
  std::set<domain::JobId> jobs_;
  std::set<domain::NodeId> nodes_;
  bool schedule_ = false;
  Outcome outcome_;
};

}  // namespace lathe::core
