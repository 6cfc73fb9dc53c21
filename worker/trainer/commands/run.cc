#include "worker/trainer/commands/run.h"

#include <nlohmann/json.hpp>

#include "common/base/file_io.h"
#include "worker/trainer/commands/report.h"
#include "worker/trainer/device/guard.h"
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

Result<loop::Outcome> RunLocked(const std::string& text, loop::EventLog& log,
                                loop::StopSignals& signals, const Clock& clock) {
  LATHE_ASSIGN_OR_RETURN(const plan::Plan plan, plan::ParsePlan(text));
  return device::Guard([&] { return loop::Run(plan, log, signals, clock); });
}

Result<loop::Outcome> RunFile(const std::filesystem::path& plan_file, loop::StopSignals& signals) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(plan_file));
  const auto output = plan::OutputOf(text);
  if (!output) {
    LATHE_RETURN_IF_ERROR(plan::ParsePlan(text).map([](auto&&) {}));
    return Failure(ErrorCode::kInvalidArgument, "paths.output is missing");
  }
  const SystemClock clock;
  LATHE_ASSIGN_OR_RETURN(const auto lock, loop::OutputLock::Take(*output));
  LATHE_ASSIGN_OR_RETURN(auto log, loop::EventLog::Open(*output / protocol::kEventLogFile, clock));
  auto outcome = RunLocked(text, log, signals, clock);
  if (!outcome) RecordFailure(outcome.error(), log);
  return outcome;
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
