#pragma once
// The calls of lathe.lua as commands, and where everything lies.

#include <span>
#include <string>

#include "coordinator/core/commit.h"
#include "coordinator/storage/redis_connection.h"
#include "coordinator/storage/store.h"

namespace lathe::storage {

/// Key names behind one prefix.
class RedisKeys {
 public:
  explicit RedisKeys(std::string prefix) : prefix_(std::move(prefix)) {}

  std::string Schema() const { return prefix_ + "schema"; }
  std::string Leader() const { return prefix_ + "leader"; }
  std::string Epoch() const { return prefix_ + "epoch"; }
  std::string Applied() const { return prefix_ + "applied"; }
  std::string Jobs() const { return prefix_ + "jobs"; }
  std::string Nodes() const { return prefix_ + "nodes"; }
  std::string Configurations() const { return prefix_ + "configurations"; }
  std::string Feed() const { return prefix_ + "feed"; }
  std::string Events(const domain::JobId& job) const { return prefix_ + "events:" + job.value(); }
  std::string ConfigurationSchema() const { return prefix_ + "configuration_schema"; }
  std::string Resource(const std::string& kind, const std::string& key) const {
    return prefix_ + "resource:" + kind + ":" + key;
  }
  std::string Index(const ResourceIndex& index) const {
    return prefix_ + "index:" + index.kind + ":" + index.order + ":" + index.scope;
  }
  std::string Write(const std::string& id) const { return prefix_ + "write:" + id; }

 private:
  std::string prefix_;
};

RedisCommand CommitCommand(const RedisKeys& keys, std::uint64_t epoch, const core::Commit& commit);
RedisCommand AppendCommand(const RedisKeys& keys, const EventBatch& batch);
RedisCommand WriteCommand(const RedisKeys& keys, std::uint64_t epoch, const ResourceWrite& write);

}  // namespace lathe::storage
