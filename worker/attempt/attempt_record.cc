#include "worker/attempt/attempt_record.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "common/base/file_io.h"

namespace lathe::worker::attempt {
namespace {

using nlohmann::json;

// Persisted: never change a name's place or spelling.
constexpr std::array<std::string_view, 5> kStageNames = {"accepted", "launching", "running",
                                                         "ended", "done"};
constexpr int kVersion = 1;

json ToJson(const google::protobuf::Message& message) {
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text).ok()) return json::object();
  return json::parse(text, nullptr, false);
}

bool FromJson(const json& value, google::protobuf::Message& message) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  return google::protobuf::util::JsonStringToMessage(value.dump(), &message, options).ok();
}

ProcessIdentity IdentityFrom(const json& object) {
  return {.pid = object.value("pid", 0),
          .start_ticks = object.value("startTicks", std::uint64_t{0}),
          .boot_id = object.value("bootId", "")};
}

json ToJson(const ProcessIdentity& identity) {
  return {
      {"pid", identity.pid}, {"startTicks", identity.start_ticks}, {"bootId", identity.boot_id}};
}

std::optional<AttemptRecord> Parse(const std::string& text) {
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object() || document.value("version", 0) != kVersion) return std::nullopt;
  const std::string stage = document.value("stage", "");
  const auto name = std::find(kStageNames.begin(), kStageNames.end(), stage);
  if (name == kStageNames.end()) return std::nullopt;
  AttemptRecord record;
  record.stage = static_cast<Stage>(name - kStageNames.begin());
  record.history_end = document.value("historyEnd", std::uint64_t{0});
  record.ranks = document.value("ranks", 1U);
  record.base_weights = document.value("baseWeights", record.base_weights);
  if (record.stage == Stage::kRunning) record.trainers.push_back(IdentityFrom(document));
  for (const json& other : document.value("otherRanks", json::array())) {
    record.trainers.push_back(IdentityFrom(other));
  }
  const bool whole = FromJson(document.value("start", json::object()), record.start) &&
                     FromJson(document.value("report", json::object()), record.report);
  return whole && !record.start.job_id().empty() ? std::optional(record) : std::nullopt;
}

}  // namespace

Status Save(const JobFolder& folder, const AttemptRecord& record) {
  json document = {{"version", kVersion},
                   {"stage", kStageNames[static_cast<std::size_t>(record.stage)]},
                   {"ranks", record.ranks},
                   {"baseWeights", record.base_weights},
                   {"historyEnd", record.history_end},
                   {"otherRanks", json::array()},
                   {"start", ToJson(record.start)},
                   {"report", ToJson(record.report)}};
  if (!record.trainers.empty()) document.update(ToJson(record.trainers.front()));
  for (std::size_t rank = 1; rank < record.trainers.size(); ++rank) {
    document["otherRanks"].push_back(ToJson(record.trainers[rank]));
  }
  return WriteFileAtomically(folder.Record(),
                             document.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

Result<std::optional<AttemptRecord>> Load(const JobFolder& folder) {
  const auto text = ReadFile(folder.Record(), 64 << 20);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::optional<AttemptRecord>{};
  if (!text) return Failure(text.error());
  try {
    if (auto record = Parse(*text)) return record;
  } catch (const json::exception&) {
    // A field of another type: damaged like the rest.
  }
  return Failure(ErrorCode::kDataLoss, folder.Record().string() + " is damaged");
}

}  // namespace lathe::worker::attempt
