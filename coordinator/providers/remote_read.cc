#include "coordinator/providers/remote_read.h"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace lathe::providers {
namespace {

constexpr double kLargestWhole = 9e15;  // beyond it doubles skip whole numbers

const Json* At(const Json& json, const std::string& pointer) {
  if (pointer.empty()) return nullptr;
  const Json::json_pointer place(pointer);
  return json.contains(place) ? &json.at(place) : nullptr;
}

std::optional<std::uint64_t> CountAt(const Json& json, const std::string& pointer) {
  const auto number = NumberAt(json, pointer);
  if (!number || *number < 0 || *number > kLargestWhole) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

/// Seconds since the epoch, or RFC 3339 in UTC.
std::optional<Instant> TimeAt(const Json& json, const std::string& pointer) {
  if (const auto seconds = NumberAt(json, pointer); seconds && std::abs(*seconds) < 1e11) {
    return FromMicros(static_cast<std::int64_t>(*seconds * 1e6));
  }
  std::tm parts{};
  const std::string text = TextAt(json, pointer);
  if (::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return std::nullopt;
  return FromMicros(static_cast<std::int64_t>(::timegm(&parts)) * 1'000'000);
}

RemoteState StateOf(const std::string& ours) {
  if (ours == "starting") return RemoteState::kStarting;
  if (ours == "running") return RemoteState::kRunning;
  if (ours == "succeeded") return RemoteState::kSucceeded;
  if (ours == "failed") return RemoteState::kFailed;
  if (ours == "cancelled") return RemoteState::kCancelled;
  return RemoteState::kUnknown;
}

}  // namespace

std::string TextAt(const Json& json, const std::string& pointer) {
  const Json* found = At(json, pointer);
  if (found == nullptr) return "";
  if (found->is_string()) return found->get<std::string>();
  return found->is_number() ? found->dump() : "";
}

std::optional<double> NumberAt(const Json& json, const std::string& pointer) {
  const Json* found = At(json, pointer);
  if (found == nullptr || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

bool IsTrueAt(const Json& json, const std::string& pointer) {
  const Json* found = At(json, pointer);
  return found != nullptr && found->is_boolean() && found->get<bool>();
}

std::vector<Json> ListAt(const Json& json, const std::string& pointer) {
  const Json* found = At(json, pointer);
  if (found == nullptr || !found->is_array()) return {};
  return {found->begin(), found->end()};
}

RemoteJob ReadJob(const Engine& engine, const Json& answer) {
  RemoteJob job;
  job.their_state = TextAt(answer, engine.status.state);
  const auto state = engine.status.states.find(job.their_state);
  job.state = state == engine.status.states.end() ? RemoteState::kUnknown : StateOf(state->second);
  job.error = TextAt(answer, engine.status.error);
  job.model = TextAt(answer, engine.status.model);
  if (const auto percent = NumberAt(answer, engine.status.percent)) {
    job.fraction = std::clamp(*percent / 100, 0.0, 1.0);
  }
  if (job.state == RemoteState::kSucceeded) job.fraction = 1;
  return job;
}

std::vector<RemoteEvent> ReadEvents(const EventTemplate& events, const Json& answer) {
  std::vector<RemoteEvent> out;
  const auto place = [&](const char* name) {
    const auto found = events.metrics.find(name);
    return found == events.metrics.end() ? std::string() : found->second;
  };
  for (const Json& entry : ListAt(answer, events.list)) {
    out.push_back({TextAt(entry, events.id), TimeAt(entry, events.time),
                   TextAt(entry, events.message), CountAt(entry, place("step")),
                   CountAt(entry, place("totalSteps")), NumberAt(entry, place("loss")),
                   NumberAt(entry, place("evaluationLoss"))});
  }
  if (events.newest_first) std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace lathe::providers
