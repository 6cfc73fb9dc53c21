#pragma once
// What the daemon needs to know of a line of the trainer's event log, and which lines go on to the
// coordinator. Pure and thread-safe.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/base/result.h"

namespace lathe::worker::spool {

struct EventLine {
  std::string type;               ///< see trainer_protocol.h
  std::uint64_t step = 0;         ///< 0 when the line has none
  std::string path;               ///< of a checkpoint, relative to the output folder
  std::string code;               ///< of a failure
  std::string message;            ///< of a failure or warning
  std::vector<Finding> findings;  ///< of a failure
};

/// nullopt when the line is not a JSON object with a type: such a line is damaged and is dropped.
std::optional<EventLine> ParseEventLine(std::string_view text);

/// Which lines the coordinator has not stored yet. Lines of earlier attempts in the same folder
/// (history) were sent under those attempts' numbers; of them only the metrics and evaluations
/// count that never arrived, because their steps are not logged a second time. An evaluation comes
/// behind the metric of its step: that of `reported_step` may be missing, so it is sent, and the
/// coordinator drops it when it has it.
struct ForwardRule {
  std::uint64_t history_end = 0;    ///< offset where the attempt's own lines begin
  std::uint64_t reported_step = 0;  ///< highest step whose metric is stored

  bool Forwards(const EventLine& line, std::uint64_t begin) const;
};

/// The newest complete line at or after `begin`; nullopt when there is none.
Result<std::optional<EventLine>> LastEvent(const std::filesystem::path& log, std::uint64_t begin);

}  // namespace lathe::worker::spool
