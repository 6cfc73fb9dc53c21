#pragma once
// A saved configuration as the store has it: a small head, which lists show, and a body. Pure.

#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "coordinator/storage/resource.h"
#include "lathe/v1/saved_configuration.pb.h"

namespace lathe::resources {

inline constexpr char kSavedConfigurationKind[] = "saved_configuration";

/// The orders and scopes of lists; storage::kOrderUsed is one more order.
inline constexpr char kOrderName[] = "name";
inline constexpr char kOrderUpdated[] = "updated";
inline constexpr char kScopeAll[] = "all";
std::string OwnerScope(const std::string& owner);
std::string ProjectScope(const std::string& project);

/// Unique among saved configurations: neither part has a `/`.
std::string SavedConfigurationKey(const std::string& owner, const std::string& name);

google::protobuf::Timestamp ToTimestamp(Instant time);

/// Writes everything but revision and use. The configuration is taken as it is: secrets must have
/// been sealed.
void Encode(const v1::SavedConfiguration& saved, storage::ResourceWrite& write);

/// Without configuration and findings. kDataLoss when damaged, kFailedPrecondition when a newer
/// program wrote it.
Result<v1::SavedConfiguration> DecodeHead(const std::string& head, std::uint64_t revision,
                                          const storage::ResourceUse& use);

/// All of it, brought to the present schema; secrets are still sealed.
Result<v1::SavedConfiguration> Decode(const storage::Resource& resource);

}  // namespace lathe::resources
