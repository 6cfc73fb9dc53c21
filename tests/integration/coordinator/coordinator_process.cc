#include "tests/integration/coordinator/coordinator_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "common/base/file_io.h"
#include "common/base/unique_fd.h"
#include "common/rpc/channel.h"

namespace lathe::testing {

CoordinatorProcess::CoordinatorProcess(const std::string& redis_url,
                                       std::vector<std::string> arguments)
    : arguments_(std::move(arguments)) {
  // What a test gives stands last and so wins.
  std::vector<std::string> all = {"--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0",
                                  "--redis=" + redis_url,
                                  "--data-dir=" + (folder() / "data").string(),
                                  "--address-file=" + (folder() / "address").string()};
  for (const std::string& argument : arguments_) {
    const std::string flag = argument.substr(0, argument.find('=') + 1);
    std::erase_if(all, [&](const std::string& other) { return other.starts_with(flag); });
    all.push_back(argument);
  }
  arguments_ = std::move(all);
  Launch();
}

CoordinatorProcess::~CoordinatorProcess() {
  Kill();
  if (::testing::Test::HasFailure()) std::fputs(Log().c_str(), stderr);
}

void CoordinatorProcess::Launch() {
  std::error_code ignored;
  std::filesystem::remove(folder() / "address", ignored);
  const UniqueFd log(::open((folder() / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
  const char* bin = std::getenv("LATHE_BINARY_DIR");
  ASSERT_NE(bin, nullptr) << "run by ctest, or set LATHE_BINARY_DIR";
  auto process = ChildProcess::Start({.program = std::filesystem::path(bin) / "lathe-coordinator",
                                      .arguments = arguments_,
                                      .standard_error = log.get()});
  ASSERT_TRUE(process) << process.error().message;
  process_ = *process;
}

bool CoordinatorProcess::WaitUntilServing() {
  for (int i = 0; i < 2000; ++i) {
    if (std::filesystem::exists(folder() / "address")) return true;
    if (process_->Poll()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

std::string CoordinatorProcess::address() const {
  const std::string text = ReadFile(folder() / "address").value();
  return text.substr(0, text.find('\n'));
}

std::shared_ptr<grpc::Channel> CoordinatorProcess::Connect(const rpc::TlsFiles& tls) const {
  return rpc::CreateChannel(address(), tls).value();
}

std::string CoordinatorProcess::Metrics() const {
  // "... info metrics address=127.0.0.1:34567"
  const std::string log = Log();
  const std::string mark = " metrics address=127.0.0.1:";
  const std::size_t begin = log.rfind(mark);
  if (begin == std::string::npos) return "";
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(log.substr(begin + mark.size()))));
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  const std::string request = "GET /metrics HTTP/1.0\r\nConnection: close\r\n\r\n";
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return "";
  if (::send(fd.get(), request.data(), request.size(), 0) < 0) return "";
  std::string answer;
  char buffer[4096];
  for (ssize_t count; (count = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(count));
  }
  return answer;
}

void CoordinatorProcess::Kill() {
  if (process_->Poll()) return;
  process_->Signal(SIGKILL);
  process_->Wait();
}

void CoordinatorProcess::Terminate() {
  process_->Signal(SIGTERM);
}

std::optional<int> CoordinatorProcess::ExitCode() {
  const auto status = process_->WaitFor(std::chrono::seconds(10));
  return status ? status->code : std::nullopt;
}

void CoordinatorProcess::Restart() {
  Launch();
}

std::string CoordinatorProcess::Log() const {
  return ReadFile(folder() / "log").value_or("");
}

}  // namespace lathe::testing
