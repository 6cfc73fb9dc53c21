#pragma once
// Who makes a call, as far as it matters for what they may see and change. A value.

#include <algorithm>
#include <string>
#include <vector>

namespace lathe::domain {

/// What a name begins with that is a service's: it sees what all users have.
inline constexpr char kServicePrefix[] = "service:";
/// What a certificate's common name begins with that is a worker's; the node's name follows.
inline constexpr char kWorkerPrefix[] = "worker:";

/// The project that everybody belongs to.
inline constexpr char kDefaultProject[] = "default";

struct Caller {
  std::string user;  ///< empty: nobody said
  std::vector<std::string> projects;
  bool is_service = false;  ///< sees what all users have

  bool IsMember(const std::string& project) const {
    return std::find(projects.begin(), projects.end(), project) != projects.end();
  }
};

}  // namespace lathe::domain
