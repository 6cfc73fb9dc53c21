#include "coordinator/storage/redis_commands.h"

#include <map>
#include <utility>

#include "coordinator/storage/record_codec.h"
#include "coordinator/storage/state_event.h"

namespace lathe::storage {
namespace {

// Positions among the keys of lathe_commit.
constexpr int kJobsKey = 3;
constexpr int kNodesKey = 4;

void AddRecord(RedisCommand& arguments, int key, const auto& record, std::string bytes) {
  arguments.push_back(std::to_string(key));
  arguments.push_back(record.id().value());
  arguments.push_back(std::to_string(record.revision));
  arguments.push_back(std::move(bytes));
}

void AddRecords(RedisCommand& arguments, const core::Commit& commit) {
  arguments.push_back(std::to_string(commit.jobs.size() + commit.nodes.size()));
  for (const auto& job : commit.jobs) AddRecord(arguments, kJobsKey, job, EncodeJob(job));
  for (const auto& node : commit.nodes) AddRecord(arguments, kNodesKey, node, EncodeNode(node));
}

/// Adds each job's stream to the keys once.
void AddStateEvents(RedisCommand& arguments, RedisCommand& keys, const RedisKeys& names,
                    const std::vector<core::StateEvent>& events) {
  std::map<domain::JobId, std::size_t> positions;
  arguments.push_back(std::to_string(events.size()));
  for (const core::StateEvent& event : events) {
    const auto [position, added] = positions.try_emplace(event.job, keys.size() + 1);
    if (added) keys.push_back(names.Events(event.job));
    arguments.push_back(std::to_string(position->second));
    arguments.push_back(std::to_string(event.id.attempt));
    arguments.push_back(std::to_string(event.id.sequence));
    arguments.push_back(std::to_string(ToMicros(event.time)));
    arguments.push_back(ToStored(event).json);
  }
}

}  // namespace

RedisCommand CommitCommand(const RedisKeys& names, std::uint64_t epoch,
                           const core::Commit& commit) {
  RedisCommand keys = {names.Epoch(), names.Applied(),        names.Jobs(),
                       names.Nodes(), names.Configurations(), names.Feed()};
  RedisCommand arguments = {std::to_string(epoch), std::to_string(commit.sequence)};
  AddRecords(arguments, commit);
  arguments.push_back(std::to_string(commit.configurations.size()));
  for (const auto& [hash, bytes] : commit.configurations) {
    arguments.push_back(hash);
    arguments.push_back(bytes);
  }
  AddStateEvents(arguments, keys, names, commit.state_events);
  RedisCommand command = {"FCALL", "lathe_commit", std::to_string(keys.size())};
  std::move(keys.begin(), keys.end(), std::back_inserter(command));
  std::move(arguments.begin(), arguments.end(), std::back_inserter(command));
  return command;
}

RedisCommand AppendCommand(const RedisKeys& keys, const EventBatch& batch) {
  RedisCommand command = {"FCALL", "lathe_append", "1", keys.Events(batch.attempt.job),
                          std::to_string(batch.attempt.attempt.value())};
  for (const EventRecord& event : batch.events) {
    command.push_back(std::to_string(event.sequence));
    command.push_back(event.type);
    command.push_back(std::to_string(ToMicros(event.time)));
    command.push_back(event.step ? std::to_string(*event.step) : std::string());
    command.push_back(event.json);
  }
  return command;
}

}  // namespace lathe::storage
