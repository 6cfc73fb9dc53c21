#pragma once
// Jobs on engines beyond this cluster. To the core an engine is a node with places for jobs; its
// session lies here, in the process that leads. The core hands over every job that is at the engine
// when the session begins, so nothing of it is kept here. Thread-safe.

#include <functional>
#include <map>
#include <memory>

#include "coordinator/engine_jobs/follower.h"
#include "coordinator/engine_jobs/lane.h"
#include "coordinator/providers/settings.h"
#include "coordinator/runtime/node_gateway.h"
#include "coordinator/runtime/view.h"

namespace lathe::engine_jobs {

class EngineJobs final : public runtime::NodeGateway {
 public:
  /// Engines that can be used: those with a key. Also those whose key is gone while `view` has jobs
  /// there: nobody may think that they run no more.
  EngineJobs(House house, const providers::Settings& settings, const runtime::View& view,
             const std::function<domain::SessionId()>& draw_session);
  ~EngineJobs() override;

  /// Tells the core of them. Once, when the loop runs.
  void Open();
  /// Ends its threads; jobs at engines go on. Before the loop and the appender stop.
  void Stop();

  bool Owns(domain::SessionId session) const { return lanes_.contains(session); }
  void Send(domain::SessionId session, const core::NodeCommand& command) override;
  void Start(domain::SessionId session, const runtime::StartOrder& order) override;
  /// Nothing: an engine's session ends with the process.
  void Close(domain::SessionId session, const std::string& reason) override;

 private:
  const House house_;
  std::map<domain::SessionId, std::unique_ptr<Lane>> lanes_;  ///< fixed once made
};

/// What is for engines goes to them, everything else to the workers' streams.
class Gateways final : public runtime::NodeGateway {
 public:
  explicit Gateways(runtime::NodeGateway& workers) : workers_(workers) {}
  /// Before the loop starts.
  void Attach(EngineJobs& engines) { engines_ = &engines; }

  void Send(domain::SessionId session, const core::NodeCommand& command) override {
    For(session).Send(session, command);
  }
  void Start(domain::SessionId session, const runtime::StartOrder& order) override {
    For(session).Start(session, order);
  }
  void Close(domain::SessionId session, const std::string& reason) override {
    For(session).Close(session, reason);
  }

 private:
  runtime::NodeGateway& For(domain::SessionId session) const {
    if (engines_ != nullptr && engines_->Owns(session)) return *engines_;
    return workers_;
  }

  runtime::NodeGateway& workers_;
  EngineJobs* engines_ = nullptr;
};

}  // namespace lathe::engine_jobs
