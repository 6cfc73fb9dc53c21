#pragma once
// Pages of the library. Thread-safe as the store is.

#include "common/base/result.h"
#include "common/domain/caller.h"
#include "coordinator/storage/store.h"
#include "lathe/v1/configuration_service.pb.h"

namespace lathe::resources {

/// kPermissionDenied when the caller must not list that scope; kInvalidArgument for a wrong size,
/// token or order.
Result<v1::ListSavedConfigurationsResponse> ListSavedConfigurations(
    storage::Store& store, const domain::Caller& caller,
    const v1::ListSavedConfigurationsRequest& request);

}  // namespace lathe::resources
