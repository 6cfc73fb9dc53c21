#include "coordinator/providers/remote_read.h"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace lathe::providers {
namespace {

constexpr std::string_view kHeader = "header:";
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

std::string MessageOf(const EventTemplate& events, const Json& entry) {
  std::string message;
  for (const std::string& place : events.message) {
    const std::string part = TextAt(entry, place);
    if (!part.empty()) message += (message.empty() ? "" : ": ") + part;
  }
  return message;
}

std::string FailureOf(const EventTemplate& events, const Json& entry) {
  const bool holds = std::all_of(
      events.failure_if.begin(), events.failure_if.end(),
      [&](const auto& condition) { return TextAt(entry, condition.first) == condition.second; });
  return holds ? TextAt(entry, events.failure) : "";
}

/// The text of the first of these places that has one.
std::string FirstOf(const std::vector<std::string>& places, const HttpResponse& response,
                    const Json& json) {
  for (const std::string& place : places) {
    std::string text;
    if (place.starts_with(kHeader)) {
      std::string name = place.substr(kHeader.size());
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return std::tolower(c); });
      const auto header = response.headers.find(name);
      if (header != response.headers.end()) text = header->second;
    } else {
      text = TextAt(json, place);
    }
    if (!text.empty()) return text;
  }
  return "";
}

}  // namespace

void SaveFrom(const RequestTemplate& request, const HttpResponse& response,
              Placeholders& placeholders) {
  const Json json = Json::parse(response.body, nullptr, false);
  for (const auto& [name, places] : request.save) {
    const std::string text = FirstOf(places, response, json);
    if (!text.empty()) placeholders[name] = text;
  }
}

std::optional<std::string> NextPage(const Pages& pages, const std::string& first,
                                    const Json& answer, std::size_t entries, std::size_t page) {
  const bool more = pages.full > 0 ? entries >= pages.full : IsTrueAt(answer, pages.more);
  if (!more || entries == 0) return std::nullopt;
  const char* separator = first.find('?') == std::string::npos ? "?" : "&";
  return first + separator + pages.parameter + "=" +
         (pages.full > 0 ? std::to_string(page + 1) : "{last_id}");
}

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
  for (const std::string& place : engine.status.model) {
    if (job.model.empty()) job.model = TextAt(answer, place);
  }
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
    out.push_back({.id = TextAt(entry, events.id),
                   .time = TimeAt(entry, events.time),
                   .message = MessageOf(events, entry),
                   .step = CountAt(entry, place("step")),
                   .total_steps = CountAt(entry, place("totalSteps")),
                   .loss = NumberAt(entry, place("loss")),
                   .evaluation_loss = NumberAt(entry, place("evaluationLoss")),
                   .failure = FailureOf(events, entry)});
  }
  if (events.newest_first) std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace lathe::providers
