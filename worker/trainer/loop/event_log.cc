#include "worker/trainer/loop/event_log.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "common/base/file_io.h"

namespace lathe::trainer::loop {

using Json = nlohmann::json;

Result<EventLog> EventLog::Open(const std::filesystem::path& path, const Clock& clock) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd) return Failure(FileError("open", path, errno));
  EventLog log(path, std::move(fd), clock);
  LATHE_RETURN_IF_ERROR(log.Scan());
  return log;
}

Status EventLog::Scan() {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path_));
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    const Json line = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                  text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (!line.is_object() || line.value("seq", Json()) != sequence_ + 1) {
      return Failure(ErrorCode::kDataLoss, path_.string() + ": line " +
                                               std::to_string(sequence_ + 1) +
                                               " is damaged; use a new output folder");
    }
    Note(line);
    begin = end + 1;
  }
  if (begin < text.size() && ::ftruncate(fd_.get(), static_cast<off_t>(begin)) != 0) {
    return Failure(FileError("truncate", path_, errno));
  }
  return {};
}

void EventLog::Note(const Json& line) {
  sequence_ = line.value("seq", std::int64_t{0});
  last_type_ = line.value("type", "");
  if (const Json step = line.value("step", Json()); step.is_number_integer()) {
    std::int64_t& last = last_steps_[last_type_];
    last = std::max(last, step.get<std::int64_t>());
  }
}

Status EventLog::Append(const std::string& type, const Json& fields) {
  if (!fd_) return {};
  // Number, time and type come first in a line: people read it too.
  nlohmann::ordered_json line = {
      {"seq", sequence_ + 1}, {"time", ToRfc3339(clock_->Now())}, {"type", type}};
  for (const auto& [key, value] : fields.items()) line[key] = value;
  const std::string text =
      line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  const off_t end = ::lseek(fd_.get(), 0, SEEK_END);
  const ssize_t written = ::write(fd_.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    const int error = written < 0 ? errno : ENOSPC;
    // Nothing half written stays; should this fail too, the next start cuts it off.
    if (::ftruncate(fd_.get(), end) != 0) return Failure(FileError("truncate", path_, errno));
    return Failure(FileError("write", path_, error));
  }
  Note(Json::parse(text));
  return {};
}

Status EventLog::AppendStep(const std::string& type, const Json& fields) {
  const auto last = last_steps_.find(type);
  if (last != last_steps_.end() && fields.at("step").get<std::int64_t>() <= last->second) return {};
  return Append(type, fields);
}

}  // namespace lathe::trainer::loop
