#pragma once
// Which coordinator is meant, and why: an error that names an address also says where it came from.

#include <string>

#include "coordinator/cli/environment.h"

namespace lathe::cli {

inline constexpr char kDefaultAddress[] = "127.0.0.1:7420";

struct Address {
  std::string value;   ///< host:port or unix:path
  std::string source;  ///< for people: "from --address", "the default", ...
};

/// --address, else LATHE_ADDRESS, else the file that `lathe up` leaves in its data folder, else the
/// default.
Address ChooseAddress(const std::string& flag, const Environment& environment);

}  // namespace lathe::cli
