#include "worker/trainer/commands/run.h"

#include <nlohmann/json.hpp>

#include "common/base/file_io.h"
#include "worker/trainer/commands/report.h"
#include "worker/trainer/device/device.h"
#include "worker/trainer/device/guard.h"
#include "worker/trainer/distributed/group.h"
#include "worker/trainer/loop/output_lock.h"
#include "worker/trainer/loop/run.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

namespace protocol = trainer_protocol;
using Json = nlohmann::json;

Json ToJson(const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const Finding& f : findings) {
    list.push_back({{"path", f.path},
                    {"severity", ToString(f.severity)},
                    {"code", f.code},
                    {"message", f.message},
                    {"given", f.given},
                    {"expected", f.expected}});
  }
  return list;
}

/// Whoever reads only the log learns of the failure too. A log that cannot be written is not a
/// second error: the first one is on standard error.
void RecordFailure(const Error& error, loop::EventLog& log) {
  Json fields = {{"code", ToString(error.code)}, {"message", error.message}};
  if (!error.findings.empty()) fields["findings"] = ToJson(error.findings);
  static_cast<void>(log.Append(protocol::kEventFailed, fields));
}

/// Of several processes on one machine, each has a GPU of its own.
void ChooseDevice(const distributed::World& world, plan::Plan& plan) {
  if (world.size > 1 && plan.device.starts_with("cuda")) {
    plan.device = "cuda:" + std::to_string(world.local_rank);
  }
}

/// A process that should be one of several and does not know it would train the whole job alone,
/// beside the others.
Status CheckWorld(const distributed::World& world, const plan::Plan& plan) {
  if (!plan.world_size || *plan.world_size == world.size) return {};
  const std::string planned = std::to_string(*plan.world_size);
  const std::string actual = std::to_string(world.size);
  return Failure(Error{ErrorCode::kInvalidArgument,
                       "the plan is for " + planned + " processes, and this is one of " + actual,
                       {{.path = "distributed.worldSize",
                         .code = "wrong_value",
                         .message = "differs from WORLD_SIZE in the environment",
                         .given = planned,
                         .expected = actual}}});
}

Result<loop::Outcome> RunPlan(const std::string& text, const distributed::World& world,
                              loop::EventLog& log, loop::StopSignals& signals) {
  LATHE_ASSIGN_OR_RETURN(plan::Plan plan, plan::ParsePlan(text));
  LATHE_RETURN_IF_ERROR(CheckWorld(world, plan));
  ChooseDevice(world, plan);
  LATHE_ASSIGN_OR_RETURN(auto joined, distributed::Group::Join(world));
  const SystemClock clock;
  return device::Guard([&]() -> Result<loop::Outcome> {
    LATHE_ASSIGN_OR_RETURN(const at::Device device, device::Open(plan.device));
    LATHE_RETURN_IF_ERROR(joined.UseDevice(device));
    const auto group = std::make_shared<const distributed::Group>(std::move(joined));
    return loop::Run(plan, group, log, signals, clock);
  });
}

/// The process that writes: alone, or the first of several.
Result<loop::Outcome> Lead(const std::string& text, const std::filesystem::path& output,
                           const distributed::World& world, loop::StopSignals& signals) {
  const SystemClock clock;
  LATHE_ASSIGN_OR_RETURN(const auto lock, loop::OutputLock::Take(output));
  LATHE_ASSIGN_OR_RETURN(auto log, loop::EventLog::Open(output / protocol::kEventLogFile, clock));
  auto outcome = RunPlan(text, world, log, signals);
  if (!outcome) RecordFailure(outcome.error(), log);
  return outcome;
}

Result<loop::Outcome> RunFile(const std::filesystem::path& plan_file, loop::StopSignals& signals) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(plan_file));
  LATHE_ASSIGN_OR_RETURN(const distributed::World world, distributed::ReadWorld());
  if (world.rank > 0) {
    const SystemClock clock;
    loop::EventLog log = loop::EventLog::Silent(clock);
    return RunPlan(text, world, log, signals);
  }
  const auto output = plan::OutputOf(text);
  if (!output) {
    LATHE_RETURN_IF_ERROR(plan::ParsePlan(text).map([](auto&&) {}));
    return Failure(ErrorCode::kInvalidArgument, "paths.output is missing");
  }
  return Lead(text, *output, world, signals);
}

}  // namespace

int RunPlanFile(const std::filesystem::path& plan_file) {
  loop::StopSignals signals;
  const auto outcome = RunFile(plan_file, signals);
  if (!outcome) return Report(outcome.error());
  return *outcome == loop::Outcome::kSucceeded ? protocol::kExitSucceeded
                                               : protocol::kExitInterrupted;
}

}  // namespace lathe::trainer::commands
