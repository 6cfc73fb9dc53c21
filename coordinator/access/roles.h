#pragma once
// What a client's certificate lets it do. Its common name says what it is: `worker:NODE` the worker
// of that node, anything else a person or a service (caller_of.h). Workers make the calls that
// workers make and no others; what is theirs alone is refused to everybody else. Where the
// coordinator asks for no certificate nobody has a role and nothing of this is asked.

#include <string_view>

#include "common/base/result.h"

namespace lathe::access {

/// Whether a client of this certificate name may make a call; `method` is as on the wire,
/// "/lathe.v1.JobService/GetJob". kPermissionDenied, with what the name would have to be.
Status MayCall(std::string_view certificate_name, std::string_view method);

/// Whether a client of this certificate name may be this node. kPermissionDenied, with what would
/// have to be changed.
Status MayBeNode(std::string_view certificate_name, std::string_view node);

}  // namespace lathe::access
