#include "worker/attempt/report_text.h"

#include <algorithm>
#include <system_error>

#include "worker/spool/line_reader.h"

namespace lathe::worker::attempt {

namespace fs = std::filesystem;
using agent::KillReason;
using agent::ReportPhase;
using process::FailureKind;
using process::OutcomeKind;

std::string Sentence(KillReason reason) {
  switch (reason) {
    case KillReason::kDiscarded:
      return "stopped by the coordinator";
    case KillReason::kSuperseded:
      return "a newer attempt of the job took its place";
    case KillReason::kLeaseExpired:
      return "the node lost touch with the coordinator for longer than its lease";
    case KillReason::kStopTimedOut:
      return "the trainer did not leave in time after it was told to";
  }
  return {};
}

ReportPhase PhaseOf(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::kSucceeded:
      return ReportPhase::kSucceeded;
    case OutcomeKind::kInterrupted:
      return ReportPhase::kInterrupted;
    case OutcomeKind::kFailed:
      break;
  }
  return ReportPhase::kFailed;
}

v1::AttemptPhase ToProto(ReportPhase phase) {
  switch (phase) {
    case ReportPhase::kStarted:
      return v1::ATTEMPT_PHASE_STARTED;
    case ReportPhase::kSucceeded:
      return v1::ATTEMPT_PHASE_SUCCEEDED;
    case ReportPhase::kInterrupted:
      return v1::ATTEMPT_PHASE_INTERRUPTED;
    case ReportPhase::kFailed:
      break;
  }
  return v1::ATTEMPT_PHASE_FAILED;
}

std::optional<ReportPhase> FromProto(v1::AttemptPhase phase) {
  switch (phase) {
    case v1::ATTEMPT_PHASE_STARTED:
      return ReportPhase::kStarted;
    case v1::ATTEMPT_PHASE_SUCCEEDED:
      return ReportPhase::kSucceeded;
    case v1::ATTEMPT_PHASE_FAILED:
      return ReportPhase::kFailed;
    case v1::ATTEMPT_PHASE_INTERRUPTED:
      return ReportPhase::kInterrupted;
    default:
      return std::nullopt;
  }
}

process::Outcome StoppedBeforeStart(const std::string& kill_reason) {
  if (kill_reason.empty()) return {OutcomeKind::kInterrupted, {}, {}, {}};
  return {OutcomeKind::kFailed, FailureKind::kFault, kill_reason, {}};
}

namespace {

v1::FailureClass ToProto(FailureKind kind) {
  switch (kind) {
    case FailureKind::kNone:
      return v1::FAILURE_CLASS_UNSPECIFIED;
    case FailureKind::kUser:
      return v1::FAILURE_CLASS_USER;
    case FailureKind::kOutOfMemory:
      return v1::FAILURE_CLASS_OUT_OF_MEMORY;
    case FailureKind::kFault:
      break;
  }
  return v1::FAILURE_CLASS_FAULT;
}

void AddFinding(const Finding& finding, v1::AttemptReport& report) {
  v1::Finding& added = *report.add_findings();
  added.set_path(finding.path);
  added.set_severity(finding.severity == Severity::kError ? v1::FINDING_SEVERITY_ERROR
                                                          : v1::FINDING_SEVERITY_WARNING);
  added.set_code(finding.code);
  added.set_message(finding.message);
  added.set_given(finding.given);
  added.set_expected(finding.expected);
}

// Protobuf strings are UTF-8; what a crashing trainer printed need not be.
std::string Printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c >= 0x80 || (c < ' ' && c != '\n'); },
      '?');
  return text;
}

}  // namespace

void FillReport(const agent::AttemptKey& key, const process::Outcome& outcome,
                v1::AttemptReport& report) {
  report.set_job_id(key.job);
  report.set_attempt(key.attempt);
  report.set_phase(ToProto(PhaseOf(outcome.kind)));
  report.set_failure_class(ToProto(outcome.failure));
  report.set_message(outcome.message);
  for (const Finding& finding : outcome.findings) AddFinding(finding, report);
}

v1::CheckpointReport CheckpointReportOf(const agent::AttemptKey& key,
                                        const UploadedCheckpoint& uploaded) {
  v1::CheckpointReport report;
  report.set_job_id(key.job);
  report.set_attempt(key.attempt);
  report.set_step(uploaded.step);
  *report.mutable_checkpoint() = uploaded.manifest;
  return report;
}

std::vector<std::string> LastLines(const fs::path& log) {
  constexpr std::uintmax_t kMaxBytes = 4096;
  constexpr std::size_t kMaxLines = 10;
  std::error_code error;
  const std::uintmax_t size = fs::file_size(log, error);
  if (error) return {};
  spool::LineReader reader(log, size - std::min(size, kMaxBytes));
  const auto lines = reader.ReadToEnd();
  if (!lines) return {};
  std::vector<std::string> texts;
  const std::size_t skipped = lines->size() - std::min(lines->size(), kMaxLines);
  for (std::size_t i = skipped; i < lines->size(); ++i) {
    texts.push_back(Printable((*lines)[i].text));
  }
  return texts;
}

}  // namespace lathe::worker::attempt
