#include "coordinator/cli/commands/job_text.h"

#include "common/base/clock.h"
#include "coordinator/cli/output/document.h"
#include "coordinator/cli/output/format.h"
#include "coordinator/cli/output/print.h"

namespace lathe::cli {
namespace {

constexpr int kRed = 31;
constexpr int kGreen = 32;
constexpr int kYellow = 33;
constexpr int kCyan = 36;

}  // namespace

std::string StateToken(v1::JobState state) {
  return Token("JobState", v1::JobState_Name(state));
}

bool IsFinal(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

std::string ColoredState(const Terminal& terminal, v1::JobState state) {
  const std::string token = StateToken(state);
  switch (state) {
    case v1::JOB_STATE_SUCCEEDED:
      return Colored(terminal, kGreen, token);
    case v1::JOB_STATE_FAILED:
      return Colored(terminal, kRed, token);
    case v1::JOB_STATE_RUNNING:
      return Colored(terminal, kCyan, token);
    default:
      return Colored(terminal, kYellow, token);
  }
}

std::string ProgressText(const v1::Progress& progress) {
  if (progress.total_steps() == 0) return "";
  return std::to_string(progress.step()) + "/" + std::to_string(progress.total_steps()) + " (" +
         FormatPercent(progress.fraction()) + ")";
}

bool IsOnCluster(const v1::Job& job) {
  return job.provider().empty() || job.provider() == "lathe";
}

std::string PlaceText(const v1::Job& job) {
  if (IsOnCluster(job)) return job.node_id();
  return job.provider() + (job.provider_job_id().empty() ? "" : " " + job.provider_job_id());
}

std::int64_t NowSeconds() {
  return ToMicros(SystemClock().Now()) / 1000000;
}

std::string AgeText(const google::protobuf::Timestamp& time, std::int64_t now_seconds) {
  if (time.seconds() == 0) return "";
  return FormatDuration(static_cast<double>(now_seconds - time.seconds())) + " ago";
}

}  // namespace lathe::cli
