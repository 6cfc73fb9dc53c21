#include "coordinator/engine_jobs/event_log.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace lathe::engine_jobs {
namespace {

using Json = nlohmann::ordered_json;

/// The field that says which event of theirs a line was.
constexpr char kTheirs[] = "engineEvent";
constexpr std::size_t kLongestMessage = 4096;

/// What makes an event without an id itself.
std::string KeyOf(const providers::RemoteEvent& event) {
  if (!event.id.empty()) return event.id;
  std::string key = event.time ? ToRfc3339(*event.time) : "";
  key += "|" + event.message;
  if (event.step) key += "|" + std::to_string(*event.step);
  if (event.loss) key += "|" + std::to_string(*event.loss);
  if (event.evaluation_loss) key += "|" + std::to_string(*event.evaluation_loss);
  return key;
}

/// Adds the lines of one event.
class Lines {
 public:
  Lines(v1::EventBatch& batch, std::uint64_t last, Instant now)
      : batch_(batch), last_(last), now_(now) {}

  void Add(const providers::RemoteEvent& event, const std::string& key, Json fields) {
    Json line = Json{{"type", fields.at("type")}, {"time", ToRfc3339(event.time.value_or(now_))}};
    fields.erase("type");
    line.update(fields);
    line[kTheirs] = key;
    auto& added = *batch_.add_events();
    added.set_sequence(++last_);
    added.set_json(line.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

 private:
  v1::EventBatch& batch_;
  std::uint64_t last_;
  const Instant now_;
};

}  // namespace

void EventLog::Know(const std::vector<storage::StoredEvent>& stored) {
  for (const storage::StoredEvent& event : stored) {
    const bool ours = event.id.attempt == attempt_.attempt.value() && event.type != "state";
    if (ours) Remember(event.id.sequence, event.json);
  }
}

void EventLog::Remember(std::uint64_t sequence, const std::string& json) {
  last_ = std::max(last_, sequence);
  const Json line = Json::parse(json, nullptr, false);
  if (!line.is_object()) return;
  const auto key = line.find(kTheirs);
  if (key != line.end() && key->is_string()) known_.insert(key->get<std::string>());
  const auto total = line.find("totalSteps");
  if (total != line.end() && total->is_number_unsigned())
    total_steps_ = total->get<std::uint64_t>();
  const auto step = line.find("step");
  if (step != line.end() && step->is_number_unsigned()) {
    last_step_ = std::max(last_step_, step->get<std::uint64_t>());
  }
}

bool EventLog::Knows(const providers::RemoteEvent& event) const {
  return known_.contains(KeyOf(event));
}

v1::EventBatch EventLog::New(const std::vector<providers::RemoteEvent>& events, Instant now) const {
  v1::EventBatch batch;
  batch.set_job_id(attempt_.job.value());
  batch.set_attempt(attempt_.attempt.value());
  Lines lines(batch, last_, now);
  std::uint64_t total = total_steps_;
  std::set<std::string> added;
  for (const providers::RemoteEvent& event : events) {
    if (batch.events_size() >= kLinesAtOnce) break;
    const std::string key = KeyOf(event);
    if (known_.contains(key) || !added.insert(key).second) continue;
    if (event.total_steps && *event.total_steps != total) {
      total = *event.total_steps;
      lines.Add(event, key, {{"type", "started"}, {"totalSteps", total}});
    }
    if (event.step && event.loss) {
      lines.Add(event, key, {{"type", "metric"}, {"step", *event.step}, {"loss", *event.loss}});
    }
    if (event.step && event.evaluation_loss) {
      lines.Add(event, key,
                {{"type", "evaluation"}, {"step", *event.step}, {"loss", *event.evaluation_loss}});
    }
    const bool told = event.step && (event.loss || event.evaluation_loss);
    const std::string words = event.message.substr(0, kLongestMessage);
    if (!told) lines.Add(event, key, {{"type", "log"}, {"line", words}});
  }
  return batch;
}

void EventLog::Keep(const v1::EventBatch& batch) {
  for (const auto& line : batch.events()) Remember(line.sequence(), line.json());
}

}  // namespace lathe::engine_jobs
