#pragma once
// Stored resources: named things of one kind that people make, change and look through. The store
// keeps their bytes without reading them, a few sorted indexes to page through, and how often each
// was used. What the kinds are and what is in the bytes is coordinator/resources' matter.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"

namespace lathe::storage {

struct ResourceId {
  std::string kind;  ///< lower-case word: "saved_configuration"
  std::string key;   ///< unique in its kind; any bytes but NUL
  friend auto operator<=>(const ResourceId&, const ResourceId&) = default;
};

/// What the store counts by itself.
struct ResourceUse {
  std::uint64_t count = 0;
  std::optional<Instant> last;
  friend bool operator==(const ResourceUse&, const ResourceUse&) = default;
};

struct Resource {
  std::uint64_t revision = 0;  ///< 1, 2, ... with each write; a use does not count
  std::string head;            ///< what lists show; small
  std::string body;            ///< the rest
  ResourceUse use;
  friend bool operator==(const Resource&, const Resource&) = default;
};

/// A sorted list of one kind's resources: those of a scope ("owner:ann", "all") in some order.
struct ResourceIndex {
  std::string kind;
  std::string scope;
  std::string order;
};

/// The order that every scope has without being told: latest use first, never used ones last.
inline constexpr char kOrderUsed[] = "used";

/// Where a resource stands in an order; ties are in the order of the keys.
struct ResourcePlace {
  std::string order;
  std::string sort_key;  ///< compared as bytes; no NUL
};

struct ResourceWrite {
  ResourceId id;
  /// What is there: 0 when nothing is.
  std::uint64_t expected_revision = 0;
  bool remove = false;
  std::string head;
  std::string body;
  /// The resource stands in every one of these scopes, in every one of these orders.
  std::vector<std::string> scopes;
  std::vector<ResourcePlace> places;
  /// A write of the same id is done once, for as long as it is remembered. Never empty.
  std::string write_id;
  std::string payload_hash;  ///< of what was asked for: tells a repetition from a reuse
  Duration remembered = std::chrono::minutes(10);
};

struct ResourceWriteResult {
  enum class Outcome : std::uint8_t {
    kWritten,
    kRepeated,  ///< this write had been done; nothing changed
    kConflict,  ///< another revision is there
    kReused,    ///< the write id was used for something else
  };
  Outcome outcome = Outcome::kWritten;
  /// The resource's after the (first) write, 0 when it was removed; of a conflict: what is there.
  std::uint64_t revision = 0;
  friend bool operator==(const ResourceWriteResult&, const ResourceWriteResult&) = default;
};

struct ListedResource {
  std::string position;  ///< in the index; a page begins after one
  std::string key;
  std::uint64_t revision = 0;
  std::string head;
  ResourceUse use;
  friend bool operator==(const ListedResource&, const ListedResource&) = default;
};

/// A sort key by which later times come first.
std::string LatestFirst(Instant time);
/// Behind every LatestFirst.
inline constexpr char kNever[] = "9999999999999999";

}  // namespace lathe::storage
