#include "tests/support/redis_server.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <csignal>
#include <cstring>
#include <thread>
#include <utility>

#include "common/base/unique_fd.h"

namespace lathe::testing {
namespace {

/// Loading is over when the server answers +PONG (or asks for a password).
bool Answers(const std::filesystem::path& socket_path) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_path.string();
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return false;
  }
  if (::send(socket.get(), "PING\r\n", 6, MSG_NOSIGNAL) != 6) return false;
  char answer[64] = {};
  const ssize_t size = ::recv(socket.get(), answer, sizeof answer - 1, 0);
  return size > 0 && std::strncmp(answer, "-LOADING", 8) != 0;
}

}  // namespace

Result<std::unique_ptr<RedisServer>> RedisServer::Start(std::vector<std::string> arguments) {
  LATHE_ASSIGN_OR_RETURN(TempDir folder, TempDir::Create("lathe-redis"));
  std::unique_ptr<RedisServer> server(new RedisServer(std::move(folder), std::move(arguments)));
  LATHE_RETURN_IF_ERROR(server->Launch());
  return server;
}

RedisServer::~RedisServer() {
  Kill();
}

void RedisServer::Kill() {
  if (!process_) return;
  process_->Signal(SIGKILL);
  process_->Wait();
  process_.reset();
}

Status RedisServer::Restart() {
  Kill();
  std::filesystem::remove(socket());
  return Launch();
}

Status RedisServer::Launch() {
  ProcessSpec spec{.program = "redis-server"};
  spec.arguments = {"--port",        "0",
                    "--unixsocket",  socket().string(),
                    "--dir",         folder_.path().string(),
                    "--save",        "",
                    "--appendonly",  "yes",
                    "--appendfsync", "always"};
  spec.arguments.insert(spec.arguments.end(), arguments_.begin(), arguments_.end());
  LATHE_ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::Start(spec));
  process_ = std::make_unique<ChildProcess>(std::move(process));
  for (int i = 0; i < 1000; ++i) {
    if (Answers(socket())) return {};
    if (process_->Poll()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return Failure(ErrorCode::kUnavailable, "redis-server did not start");
}

}  // namespace lathe::testing
