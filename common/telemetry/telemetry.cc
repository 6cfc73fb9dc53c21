#include "common/telemetry/telemetry.h"

#include <arpa/inet.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>

#include <atomic>
#include <exception>
#include <thread>
#include <utility>

#include "common/base/unique_fd.h"

namespace lathe::telemetry {

namespace {

/// Opens and closes a connection to "host:port" when the host is an IPv4 address.
void Connect(const std::string& address) {
  const auto colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  if (::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr) != 1) return;
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return;
  // Whether it succeeds is of no interest.
  static_cast<void>(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to));
}

}  // namespace

// Registering a family again gives the one that is there: no table of our own is needed.
Telemetry::Telemetry() : registry_(std::make_shared<prometheus::Registry>()) {}
Telemetry::~Telemetry() = default;

void Telemetry::Add(const CounterName& counter, const Labels& labels, double by) {
  prometheus::BuildCounter()
      .Name(counter.name)
      .Help(counter.help)
      .Register(*registry_)
      .Add(labels)
      .Increment(by);
}

void Telemetry::Set(const GaugeName& gauge, double value, const Labels& labels) {
  prometheus::BuildGauge()
      .Name(gauge.name)
      .Help(gauge.help)
      .Register(*registry_)
      .Add(labels)
      .Set(value);
}

void Telemetry::Observe(const HistogramName& histogram, Duration time, const Labels& labels) {
  const prometheus::Histogram::BucketBoundaries bounds(histogram.buckets.begin(),
                                                       histogram.buckets.end());
  prometheus::BuildHistogram()
      .Name(histogram.name)
      .Help(histogram.help)
      .Register(*registry_)
      .Add(labels, bounds)
      .Observe(std::chrono::duration<double>(time).count());
}

std::string Telemetry::Text() const {
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

struct Exposition::Server {
  explicit Server(const std::string& address) : exposer(address, 1) {}
  prometheus::Exposer exposer;
};

Exposition::Exposition(std::unique_ptr<Server> server, std::string address)
    : server_(std::move(server)), address_(std::move(address)) {}

Exposition::~Exposition() {
  // The HTTP library looks only every two seconds whether it is to end, or when somebody connects.
  std::atomic<bool> ended{false};
  std::thread caller([&] {
    while (!ended) {
      Connect(address_);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  server_.reset();
  ended = true;
  caller.join();
}

Result<std::unique_ptr<Exposition>> Exposition::Start(const Telemetry& telemetry,
                                                      const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    return Failure(ErrorCode::kInvalidArgument,
                   "metrics address \"" + address + "\" must be host:port");
  }
  try {
    auto server = std::make_unique<Server>(address);
    server->exposer.RegisterCollectable(telemetry.registry_);
    const auto ports = server->exposer.GetListeningPorts();
    std::string bound = address.substr(0, colon + 1) + std::to_string(ports.at(0));
    return std::unique_ptr<Exposition>(new Exposition(std::move(server), std::move(bound)));
  } catch (const std::exception&) {
    // The server library says nothing more than that it failed.
    return Failure(ErrorCode::kUnavailable,
                   "cannot serve metrics on " + address +
                       ": the address is in use or not of this machine. Stop what listens there "
                       "or set metrics_listen to another address (port 0: any free one).");
  }
}

}  // namespace lathe::telemetry
