#pragma once
// Secrets of a configuration while it is copied and changed. Pure.

#include "lathe/v1/job_configuration.pb.h"

namespace lathe::resources {

/// Where `changed` has the text that stands for a stored secret, the secret of `stored`; not set
/// where that has none.
void KeepSecrets(const v1::JobConfiguration& stored, v1::JobConfiguration& changed);

}  // namespace lathe::resources
