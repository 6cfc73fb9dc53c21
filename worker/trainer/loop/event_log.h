#pragma once
// OUTPUT/events.jsonl: numbered JSON lines, appended and never rewritten. Each line is one write to
// a file opened for appending. A line torn by a crash is cut off when the log is opened again, and
// steps that were logged before are not logged twice: a run that repeats steps after a crash stays
// silent until it is past them. Not thread-safe; one process at a time (see OutputLock).

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace lathe::trainer::loop {

class EventLog {
 public:
  /// Creates or continues the log. kDataLoss when a line in the middle is not ours.
  static Result<EventLog> Open(const std::filesystem::path& path, const Clock& clock);

  /// A log that keeps nothing: for the processes of a job that are not its voice.
  static EventLog Silent(const Clock& clock) { return EventLog({}, UniqueFd(), clock); }

  /// Appends {"seq", "time", "type", ...fields}. kResourceExhausted when the disk is full: the log
  /// then ends with the line before.
  Status Append(const std::string& type, const nlohmann::json& fields);

  /// Like Append, unless a line of that type and of fields["step"] or a later step is there.
  Status AppendStep(const std::string& type, const nlohmann::json& fields);

  /// The type of the last line; empty for a new log.
  const std::string& last_type() const { return last_type_; }

 private:
  EventLog(std::filesystem::path path, UniqueFd fd, const Clock& clock)
      : path_(std::move(path)), fd_(std::move(fd)), clock_(&clock) {}
  Status Scan();
  void Note(const nlohmann::json& line);

  std::filesystem::path path_;
  UniqueFd fd_;
  const Clock* clock_;
  std::int64_t sequence_ = 0;
  std::string last_type_;
  std::map<std::string, std::int64_t> last_steps_;  ///< by type, of those that have a step
};

}  // namespace lathe::trainer::loop
