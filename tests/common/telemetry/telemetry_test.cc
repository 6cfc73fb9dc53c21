#include "common/telemetry/telemetry.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "common/base/unique_fd.h"

namespace lathe::telemetry {
namespace {

using testing::HasSubstr;

std::string HttpGet(const std::string& address, const std::string& path) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port =
      htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  const std::string request = "GET " + path + " HTTP/1.0\r\nHost: x\r\n\r\n";
  EXPECT_EQ(::send(fd.get(), request.data(), request.size(), 0),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t count; (count = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(count));
  }
  return answer;
}

TEST(Telemetry, CountsSetsAndObserves) {
  Telemetry telemetry;
  telemetry.Add(metrics::kAttempts, {{"outcome", "succeeded"}});
  telemetry.Add(metrics::kAttempts, {{"outcome", "succeeded"}}, 2);
  telemetry.Set(metrics::kJobs, 7, {{"state", "running"}});
  telemetry.Observe(metrics::kRpcDuration, std::chrono::milliseconds(2), {{"method", "GetJob"}});
  const std::string text = telemetry.Text();
  EXPECT_THAT(text, HasSubstr("lathe_attempts_total{outcome=\"succeeded\"} 3"));
  EXPECT_THAT(text, HasSubstr("lathe_jobs{state=\"running\"} 7"));
  EXPECT_THAT(text, HasSubstr("lathe_rpc_duration_seconds_count{method=\"GetJob\"} 1"));
  EXPECT_THAT(text, HasSubstr("le=\"0.0025\"} 1"));
}

TEST(Telemetry, ServesOnAnyPort) {
  Telemetry telemetry;
  telemetry.Set(metrics::kLeaderEpoch, 3);
  const auto exposition = Exposition::Start(telemetry, "127.0.0.1:0").value();
  EXPECT_THAT(exposition->address(), testing::Not(HasSubstr(":0")));
  EXPECT_THAT(HttpGet(exposition->address(), "/metrics"), HasSubstr("lathe_leader_epoch 3"));
}

TEST(Telemetry, PortInUseIsAClearError) {
  Telemetry telemetry;
  const auto first = Exposition::Start(telemetry, "127.0.0.1:0").value();
  const auto second = Exposition::Start(telemetry, first->address());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(second.error().message, HasSubstr(first->address()));
  EXPECT_FALSE(Exposition::Start(telemetry, "nonsense"));
}

}  // namespace
}  // namespace lathe::telemetry
