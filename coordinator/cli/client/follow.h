#pragma once
// Streams that outlive the coordinator's restarts: the call is made again, with growing pauses,
// until it ends well, fails for good, or has been without a word for too long.

#include <functional>
#include <string>

#include "common/base/result.h"

namespace lathe::cli {

struct FollowHooks {
  /// One call of the stream, from where the last one ended; must call `heard` for each message.
  std::function<Status(const std::function<void()>& heard)> call;
  /// Whether everything there is to hear has been heard.
  std::function<bool()> finished;
  /// Whether nobody listens any more.
  std::function<bool()> stopped;
  /// The connection is lost (the error's message) or back (empty).
  std::function<void(const std::string&)> on_connection;
};

/// The error of the first call is returned at once: a wrong address must not look like patience.
Status Follow(const FollowHooks& hooks);

}  // namespace lathe::cli
