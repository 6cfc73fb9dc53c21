#include "coordinator/engine_jobs/engine_jobs.h"

#include <set>
#include <string>
#include <utility>
#include <variant>

#include "common/base/log.h"

namespace lathe::engine_jobs {
namespace {

/// The engines that have jobs of ours.
std::set<std::string> EnginesInUse(const runtime::View& view) {
  std::set<std::string> engines;
  (void)view.List({}, 1, [&](const domain::Job& job) {
    if (domain::IsLive(job.state) && !job.spec.engine.empty()) engines.insert(job.spec.engine);
    return false;
  });
  return engines;
}

}  // namespace

EngineJobs::EngineJobs(House house, const providers::Settings& settings, const runtime::View& view,
                       const std::function<domain::SessionId()>& draw_session)
    : house_(std::move(house)) {
  const std::set<std::string> in_use = EnginesInUse(view);
  for (const providers::Engine& engine : providers::Engines()) {
    if (engine.is_cluster() || !engine.can_start) continue;
    const providers::Access access = providers::AccessOf(settings, engine);
    if (access.api_key.empty() && !in_use.contains(engine.id)) continue;
    const domain::SessionId session = draw_session();
    lanes_[session] = std::make_unique<Lane>(house_, engine, access, session);
  }
}

EngineJobs::~EngineJobs() = default;

void EngineJobs::Open() {
  for (const auto& [session, lane] : lanes_) {
    const core::NodeRegistered registration = lane->Registration();
    log::Info("engine_open", {{"engine", registration.description.engine},
                              {"places", registration.description.resources.cpu_slots}});
    if (!house_.post(registration)) {
      log::Failure("engine_not_open", {{"engine", registration.description.engine}});
    }
  }
}

void EngineJobs::Stop() {
  for (const auto& [session, lane] : lanes_) lane->Stop();
}

void EngineJobs::Send(domain::SessionId session, const core::NodeCommand& command) {
  // Heartbeats and reports need no answer within one process.
  if (const auto* stop = std::get_if<core::StopAttempt>(&command)) {
    lanes_.at(session)->Cancel(stop->attempt);
  }
}

void EngineJobs::Start(domain::SessionId session, const runtime::StartOrder& order) {
  lanes_.at(session)->Start(order);
}

void EngineJobs::Close(domain::SessionId, const std::string&) {}

}  // namespace lathe::engine_jobs
