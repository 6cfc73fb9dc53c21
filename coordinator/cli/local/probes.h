#pragma once
// Small questions about this machine: does a Redis answer, is a port free, where is a program.

#include <filesystem>
#include <optional>
#include <string>

#include "common/base/result.h"

namespace lathe::cli {

/// Whether a redis-server answers PING with PONG on a unix socket (while it loads its data it does
/// not). A path too long for a socket answers false.
bool RedisAnswers(const std::filesystem::path& socket);

/// The longest path of a unix socket, in bytes.
std::size_t MaxSocketPath();

/// kFailedPrecondition when something else listens on 127.0.0.1:port. Port 0 is always free.
Status CheckPortIsFree(int port);

/// A program beside `lathe` itself. kNotFound when it is not there.
Result<std::filesystem::path> ProgramBeside(const std::filesystem::path& self,
                                            const std::string& name);

/// A program in PATH.
std::optional<std::filesystem::path> ProgramInPath(const std::string& name);

std::string HostName();

}  // namespace lathe::cli
