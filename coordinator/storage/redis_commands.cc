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

void AddUses(RedisCommand& arguments, RedisCommand& keys, const RedisKeys& names,
             const std::vector<core::Use>& uses) {
  arguments.push_back(std::to_string(uses.size()));
  for (const core::Use& use : uses) {
    keys.push_back(names.Resource(use.kind, use.key));
    arguments.push_back(std::to_string(keys.size()));
    arguments.push_back(std::to_string(ToMicros(use.time)));
    arguments.push_back(LatestFirst(use.time));
  }
}

RedisCommand FunctionCall(const char* name, RedisCommand keys, RedisCommand arguments) {
  RedisCommand command = {"FCALL", name, std::to_string(keys.size())};
  std::move(keys.begin(), keys.end(), std::back_inserter(command));
  std::move(arguments.begin(), arguments.end(), std::back_inserter(command));
  return command;
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
  AddUses(arguments, keys, names, commit.uses);
  return FunctionCall("lathe_commit", std::move(keys), std::move(arguments));
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

RedisCommand WriteCommand(const RedisKeys& names, std::uint64_t epoch, const ResourceWrite& write) {
  RedisCommand keys = {names.Epoch(), names.Resource(write.id.kind, write.id.key),
                       names.Write(write.write_id)};
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(write.remembered).count();
  RedisCommand arguments = {std::to_string(epoch),
                            write.payload_hash,
                            std::to_string(seconds),
                            std::to_string(write.expected_revision),
                            write.remove ? "remove" : "put",
                            write.id.key,
                            write.head,
                            write.body,
                            std::to_string(write.scopes.size() * (write.places.size() + 1))};
  const auto stand = [&](const std::string& scope, const std::string& order, std::string sort_key) {
    keys.push_back(names.Index({write.id.kind, scope, order}));
    arguments.push_back(std::to_string(keys.size()));
    arguments.push_back(std::move(sort_key));
  };
  for (const std::string& scope : write.scopes) {
    for (const ResourcePlace& place : write.places) stand(scope, place.order, place.sort_key);
    stand(scope, kOrderUsed, "");
  }
  return FunctionCall("lathe_write", std::move(keys), std::move(arguments));
}

}  // namespace lathe::storage
