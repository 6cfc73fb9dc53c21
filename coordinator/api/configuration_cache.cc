#include "coordinator/api/configuration_cache.h"

namespace lathe::api {

Result<std::string> ConfigurationCache::Read(const std::string& hash) {
  {
    const std::lock_guard lock(mutex_);
    const auto place = places_.find(hash);
    if (place != places_.end()) {
      entries_.splice(entries_.begin(), entries_, place->second);
      return place->second->second;
    }
  }
  auto bytes = store_.ReadConfiguration(hash);
  if (bytes) Keep(hash, *bytes);
  return bytes;
}

void ConfigurationCache::Keep(const std::string& hash, const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  if (places_.contains(hash)) return;
  entries_.emplace_front(hash, bytes);
  places_[hash] = entries_.begin();
  if (entries_.size() <= kCapacity) return;
  places_.erase(entries_.back().first);
  entries_.pop_back();
}

}  // namespace lathe::api
