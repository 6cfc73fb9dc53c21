#pragma once
// Stored configurations by hash, the most recently used ones in memory: showing a job must not ask
// the store each time, and shows it also while the store is away. Thread-safe.

#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

#include "common/base/result.h"
#include "coordinator/storage/store.h"

namespace lathe::api {

class ConfigurationCache {
 public:
  static constexpr std::size_t kCapacity = 2048;

  /// The store must outlive it.
  explicit ConfigurationCache(storage::Store& store) : store_(store) {}

  Result<std::string> Read(const std::string& hash);

 private:
  using Entry = std::pair<std::string, std::string>;  // hash, bytes
  void Keep(const std::string& hash, const std::string& bytes);

  storage::Store& store_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> places_;
};

}  // namespace lathe::api
