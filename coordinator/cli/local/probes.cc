#include "coordinator/cli/local/probes.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string_view>

#include "common/base/unique_fd.h"

namespace lathe::cli {

std::size_t MaxSocketPath() {
  return sizeof(sockaddr_un::sun_path) - 1;
}

bool RedisAnswers(const std::filesystem::path& socket) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  const std::string path = socket.string();
  if (path.size() > MaxSocketPath()) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return false;
  const timeval patience{.tv_sec = 2, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return false;
  }
  constexpr std::string_view kPing = "PING\r\n";
  if (::send(fd.get(), kPing.data(), kPing.size(), MSG_NOSIGNAL) != ssize_t{kPing.size()}) {
    return false;
  }
  std::array<char, 64> answer{};
  const ssize_t count = ::recv(fd.get(), answer.data(), answer.size(), 0);
  return count > 0 &&
         std::string_view(answer.data(), static_cast<std::size_t>(count)).starts_with("+PONG");
}

Status CheckPortIsFree(int port) {
  if (port == 0) return {};
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  // As servers do: a port that merely has connections winding down is free.
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
  return Failure(
      Error{ErrorCode::kFailedPrecondition,
            "cannot listen on 127.0.0.1:" + std::to_string(port) + " — " + std::strerror(errno),
            {},
            "stop what uses that port (`ss -ltnp` shows it), or choose another with "
            "--port; metrics are served on the ports after it"});
}

Result<std::filesystem::path> ProgramBeside(const std::filesystem::path& self,
                                            const std::string& name) {
  const std::filesystem::path program = self.parent_path() / name;
  if (::access(program.c_str(), X_OK) == 0) return program;
  return Failure(Error{ErrorCode::kNotFound,
                       "there is no " + name + " beside lathe in " + self.parent_path().string(),
                       {},
                       "build it: cmake --build --preset release --target " + name});
}

std::optional<std::filesystem::path> ProgramInPath(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path program = std::filesystem::path(folder) / name;
    if (::access(program.c_str(), X_OK) == 0) return program;
  }
  return std::nullopt;
}

std::string HostName() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

}  // namespace lathe::cli
