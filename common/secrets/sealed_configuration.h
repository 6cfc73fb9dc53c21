#pragma once
// Secrets of a job configuration (fields marked `secret`), encrypted for storage and opened again
// where they are used. AES-256-GCM with a random nonce; the record and the field's path are
// authenticated with it, so that a sealed secret opens only where it was put.
//
// A sealed value is text that takes the secret's place: `lathe-sealed:v1:<key id>:<base64>`.
// Everything but secrets stays readable. Pure but for random bytes; thread-safe. No error, finding
// or log line has a secret in it.

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/secrets/keyring.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::secrets {

/// Whether any secret is set.
bool HasSecrets(const v1::JobConfiguration& configuration);

/// The configuration with every secret sealed to `record_id`, a name that is unique to where it is
/// stored and never changes: "job:<id>", "configuration:<id>". Without secrets it comes back as it
/// is and `keyring` may be null. An empty secret counts as not set and is dropped.
/// kFailedPrecondition with a finding for each secret when `keyring` is null; kInvalidArgument when
/// a secret is the text that redacted output has in its place.
Result<v1::JobConfiguration> Seal(const v1::JobConfiguration& configuration,
                                  std::string_view record_id, const Keyring* keyring);

/// Seal undone. kFailedPrecondition when a key is missing (which one is said), kDataLoss when a
/// sealed value is damaged or of another record or field. Values that are not sealed stay as they
/// are: records from before sealing have them.
Result<v1::JobConfiguration> Open(const v1::JobConfiguration& configuration,
                                  std::string_view record_id, const Keyring* keyring);

/// Unsets every secret, sealed or not; whether there was one.
bool DropSecrets(v1::JobConfiguration& configuration);

/// The record of a job's configuration.
std::string JobRecordId(std::string_view job_id);

/// Text that is equal for equal secrets and tells nobody without the key anything about them: to
/// see that a repeated request is the same. Empty without secrets or keyring.
std::string Fingerprint(const v1::JobConfiguration& configuration, const Keyring* keyring);

}  // namespace lathe::secrets
