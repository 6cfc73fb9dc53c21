#pragma once
// The memory twin's resources: what lathe.lua does with hashes and sorted sets. Not thread-safe:
// the database's mutex guards it.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coordinator/core/commit.h"
#include "coordinator/storage/resource.h"

namespace lathe::storage {

class MemoryResources {
 public:
  /// `now` tells which writes are still remembered.
  ResourceWriteResult Write(const ResourceWrite& write, MonotonicInstant now);
  std::optional<Resource> Read(const ResourceId& id) const;
  std::vector<ListedResource> List(const ResourceIndex& index, const std::string& after,
                                   std::size_t limit) const;
  void Count(const core::Use& use);

 private:
  struct Place {
    std::string index;
    std::string sort_key;
    bool by_use = false;
  };
  struct Entry {
    Resource resource;
    std::vector<Place> places;
  };
  struct Done {
    std::string payload_hash;
    std::uint64_t revision = 0;
    MonotonicInstant until{};
  };

  void LeavePlaces(const std::string& key, const Entry& entry);
  void TakePlaces(const std::string& key, const Entry& entry);

  std::map<ResourceId, Entry> entries_;
  std::map<std::string, std::set<std::string>> indexes_;
  std::map<std::string, Done> writes_;
};

}  // namespace lathe::storage
