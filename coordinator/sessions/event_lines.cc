#include "coordinator/sessions/event_lines.h"

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

namespace lathe::sessions {
namespace {

using Json = nlohmann::json;

/// "2026-11-21T10:22:00.123Z", UTC with any number of decimals.
std::optional<Instant> ParseRfc3339(const std::string& text) {
  std::tm parts{};
  double seconds = 0;
  char zone = 0;
  const int read =
      std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%lf%c", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &seconds, &zone);
  if (read != 7 || zone != 'Z' || seconds < 0 || seconds >= 61) return {};
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return FromMicros(static_cast<std::int64_t>(timegm(&parts)) * 1'000'000 +
                    static_cast<std::int64_t>(seconds * 1e6 + 0.5));
}

template <class Number>
std::optional<Number> NumberAt(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return {};
  if constexpr (std::is_unsigned_v<Number>) {
    if (found->get<double>() < 0) return {};
  }
  return found->get<Number>();
}

std::string TextAt(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

void Summarise(const std::string& type, const Json& event, domain::ProgressUpdate& progress) {
  if (type == "started") progress.total_steps = NumberAt<std::uint64_t>(event, "totalSteps");
  if (type == "phase") progress.phase = TextAt(event, "phase");
  if (type == "evaluation") {
    progress.evaluation_loss = NumberAt<double>(event, "loss");
    progress.evaluation_perplexity = NumberAt<double>(event, "perplexity");
    progress.evaluation_tool_accuracy = NumberAt<double>(event, "toolAccuracy");
    progress.evaluation_response_quality = NumberAt<double>(event, "responseQuality");
  }
  if (type == "metric") {
    progress.step = NumberAt<std::uint64_t>(event, "step");
    progress.epoch = NumberAt<double>(event, "epoch");
    progress.loss = NumberAt<double>(event, "loss");
    progress.token_accuracy = NumberAt<double>(event, "tokenAccuracy");
    progress.tokens_per_second = NumberAt<double>(event, "tokensPerSecond");
  }
}

storage::EventRecord ReadLine(const v1::EventBatch::Event& line, Instant now,
                              domain::ProgressUpdate& progress) {
  storage::EventRecord record;
  record.sequence = line.sequence();
  record.time = now;
  const Json event = Json::parse(line.json(), nullptr, /*allow_exceptions=*/false);
  record.type = event.is_object() ? TextAt(event, "type") : "";
  if (record.type.empty()) {
    record.type = "log";
    record.json = Json{{"type", "log"}, {"line", line.json()}}.dump(-1, ' ', false,
                                                                    Json::error_handler_t::replace);
    return record;
  }
  record.json = line.json();
  record.time = ParseRfc3339(TextAt(event, "time")).value_or(now);
  if (record.type == "metric") record.step = NumberAt<std::uint64_t>(event, "step");
  Summarise(record.type, event, progress);
  progress.time = std::max(progress.time, record.time);
  return record;
}

}  // namespace

Result<ReadBatch> ReadEventBatch(const v1::EventBatch& batch, Instant now) {
  ReadBatch out;
  out.batch.attempt = {domain::JobId(batch.job_id()), domain::AttemptNumber(batch.attempt())};
  std::uint64_t last = 0;
  for (const auto& line : batch.events()) {
    if (line.sequence() <= last || line.sequence() == core::EventId::kSeal) {
      return Failure(ErrorCode::kInvalidArgument,
                     "events of job " + batch.job_id() + " are not numbered upwards from 1.");
    }
    last = line.sequence();
    out.batch.events.push_back(ReadLine(line, now, out.progress));
  }
  return out;
}

}  // namespace lathe::sessions
