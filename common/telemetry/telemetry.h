#pragma once
// A process's metrics and their exposition for Prometheus. One Telemetry per process, handed down
// from its composition root. Thread-safe.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/telemetry/metric_names.h"

namespace prometheus {
class Registry;
}

namespace lathe::telemetry {

using Labels = std::map<std::string, std::string>;

class Telemetry {
 public:
  Telemetry();
  ~Telemetry();
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;

  void Add(const CounterName& counter, const Labels& labels = {}, double by = 1);
  void Set(const GaugeName& gauge, double value, const Labels& labels = {});
  void Observe(const HistogramName& histogram, Duration time, const Labels& labels = {});

  /// All metrics in Prometheus' text format.
  std::string Text() const;

 private:
  friend class Exposition;
  // Shared with the HTTP server, which holds a weak reference.
  std::shared_ptr<prometheus::Registry> registry_;
};

/// Serves GET /metrics until it goes.
class Exposition {
 public:
  /// Listens on "host:port"; port 0 takes a free one. kUnavailable when the address can't be had.
  static Result<std::unique_ptr<Exposition>> Start(const Telemetry& telemetry,
                                                   const std::string& address);
  ~Exposition();

  /// "host:port" with the real port.
  const std::string& address() const { return address_; }

 private:
  struct Server;
  Exposition(std::unique_ptr<Server> server, std::string address);
  std::unique_ptr<Server> server_;
  std::string address_;
};

}  // namespace lathe::telemetry
