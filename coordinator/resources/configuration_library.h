#pragma once
// The library of saved configurations: who may see and change which, unique names, etags, pages,
// copies. Secrets are sealed before they are stored and never leave in an answer.
//
// Errors: kNotFound for what is not there or must not be seen, kPermissionDenied for what may be
// seen and not changed, kAlreadyExists (a taken name, a request id used for something else),
// kAborted (another etag; both are named), kInvalidArgument with findings; those of the store.
//
// Thread-safe.

#include <functional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/domain/caller.h"
#include "common/schema/dialects.h"
#include "common/secrets/keyring.h"
#include "coordinator/storage/store.h"
#include "lathe/v1/configuration_service.pb.h"
#include "lathe/v1/saved_configuration.pb.h"

namespace lathe::resources {

/// What is to be saved: name, description, template and project of `fields`, and a configuration
/// with what reading it found.
struct SaveRequest {
  v1::SavedConfiguration fields;
  schema::Imported content;
  bool require_valid = false;
  bool validate_only = false;
  std::string request_id;  ///< empty: none
};

/// A configuration to make a job of.
struct UsableConfiguration {
  v1::JobConfiguration configuration;  ///< secrets opened
  std::string key;                     ///< of the resource whose use is to be counted
  std::vector<Finding> warnings;       ///< another's secrets were left out
};

class ConfigurationLibrary {
 public:
  /// Store, clock and keyring must outlive it; without a keyring nothing with secrets is stored.
  ConfigurationLibrary(storage::Store& store, const Clock& clock, const secrets::Keyring* keyring)
      : store_(store), clock_(clock), keyring_(keyring) {}

  Result<v1::SavedConfiguration> Create(const domain::Caller& caller, SaveRequest request);
  Result<v1::SavedConfiguration> Update(const domain::Caller& caller, SaveRequest request);
  Result<v1::SavedConfiguration> Copy(const domain::Caller& caller,
                                      const v1::CopySavedConfigurationRequest& request);
  Status Delete(const domain::Caller& caller, const v1::DeleteSavedConfigurationRequest& request);

  Result<v1::SavedConfiguration> Get(const domain::Caller& caller,
                                     const v1::SavedConfigurationName& name);
  Result<v1::ListSavedConfigurationsResponse> List(
      const domain::Caller& caller, const v1::ListSavedConfigurationsRequest& request);
  /// kFailedPrecondition when a secret in it can't be opened.
  Result<UsableConfiguration> GetForUse(const domain::Caller& caller,
                                        const v1::SavedConfigurationName& name);

 private:
  struct Change;
  /// Secrets are sealed.
  Result<v1::SavedConfiguration> Find(const domain::Caller& caller,
                                      const v1::SavedConfigurationName& name);
  /// Secrets are open where they are the caller's, or the caller is a service.
  Result<v1::SavedConfiguration> FindOpen(const domain::Caller& caller,
                                          const v1::SavedConfigurationName& name);
  Result<v1::SavedConfiguration> Put(const domain::Caller& caller, Change change);
  Result<storage::ResourceWrite> MakeWrite(const domain::Caller& caller, const Change& change);
  Result<v1::SavedConfiguration> Answer(const storage::ResourceWrite& write,
                                        const storage::ResourceWriteResult& result);

  storage::Store& store_;
  const Clock& clock_;
  const secrets::Keyring* keyring_;
};

}  // namespace lathe::resources
