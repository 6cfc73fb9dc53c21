#include "coordinator/storage/memory_resources.h"

#include <utility>

namespace lathe::storage {
namespace {

std::string IndexName(const ResourceIndex& index) {
  return index.kind + '\0' + index.order + '\0' + index.scope;
}

std::string Member(const std::string& sort_key, const std::string& key) {
  return sort_key + '\0' + key;
}

std::string SortByUse(const ResourceUse& use) {
  return use.last ? LatestFirst(*use.last) : kNever;
}

}  // namespace

void MemoryResources::LeavePlaces(const std::string& key, const Entry& entry) {
  for (const Place& place : entry.places) indexes_[place.index].erase(Member(place.sort_key, key));
}

void MemoryResources::TakePlaces(const std::string& key, const Entry& entry) {
  for (const Place& place : entry.places) indexes_[place.index].insert(Member(place.sort_key, key));
}

ResourceWriteResult MemoryResources::Write(const ResourceWrite& write, MonotonicInstant now) {
  using Outcome = ResourceWriteResult::Outcome;
  const auto done = writes_.find(write.write_id);
  if (done != writes_.end() && now < done->second.until) {
    const bool same = done->second.payload_hash == write.payload_hash;
    return {same ? Outcome::kRepeated : Outcome::kReused, done->second.revision};
  }
  const auto found = entries_.find(write.id);
  const std::uint64_t have = found == entries_.end() ? 0 : found->second.resource.revision;
  if (have != write.expected_revision) return {Outcome::kConflict, have};
  if (have != 0) LeavePlaces(write.id.key, found->second);
  std::uint64_t revision = 0;
  if (write.remove) {
    entries_.erase(write.id);
  } else {
    revision = have + 1;
    Entry& entry = entries_[write.id];
    entry.resource = {revision, write.head, write.body, entry.resource.use};
    entry.places.clear();
    for (const std::string& scope : write.scopes) {
      for (const auto& [order, sort_key] : write.places) {
        entry.places.push_back({IndexName({write.id.kind, scope, order}), sort_key});
      }
      entry.places.push_back(
          {IndexName({write.id.kind, scope, kOrderUsed}), SortByUse(entry.resource.use), true});
    }
    TakePlaces(write.id.key, entry);
  }
  writes_[write.write_id] = {write.payload_hash, revision, now + write.remembered};
  return {Outcome::kWritten, revision};
}

std::optional<Resource> MemoryResources::Read(const ResourceId& id) const {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return std::nullopt;
  return found->second.resource;
}

std::vector<ListedResource> MemoryResources::List(const ResourceIndex& index,
                                                  const std::string& after,
                                                  std::size_t limit) const {
  std::vector<ListedResource> out;
  const auto members = indexes_.find(IndexName(index));
  if (members == indexes_.end()) return out;
  auto member = after.empty() ? members->second.begin() : members->second.upper_bound(after);
  for (; member != members->second.end() && out.size() < limit; ++member) {
    const std::string key = member->substr(member->find('\0') + 1);
    const Resource& resource = entries_.at({index.kind, key}).resource;
    out.push_back({*member, key, resource.revision, resource.head, resource.use});
  }
  return out;
}

void MemoryResources::Count(const core::Use& use) {
  const auto found = entries_.find({use.kind, use.key});
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  LeavePlaces(use.key, entry);
  ++entry.resource.use.count;
  entry.resource.use.last = use.time;
  for (Place& place : entry.places) {
    if (place.by_use) place.sort_key = LatestFirst(use.time);
  }
  TakePlaces(use.key, entry);
}

}  // namespace lathe::storage
