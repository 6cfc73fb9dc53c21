#include "worker/trainer/commands/bench.h"

#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>

#include "worker/trainer/commands/precision.h"
#include "worker/trainer/commands/report.h"
#include "worker/trainer/commands/step_speed.h"
#include "worker/trainer/device/device.h"
#include "worker/trainer/device/guard.h"
#include "worker/trainer/kernels/cpu_kernels.h"
#include "worker/trainer/kernels/kept_panels.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

using Json = nlohmann::ordered_json;

double Seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// Waits until the device has computed x, by fetching one value of it.
void Finish(const at::Tensor& x) {
  static_cast<void>(x.narrow(0, 0, 1).narrow(1, 0, 1).item<double>());
}

Result<Json> Measure(const BenchArguments& arguments) {
  LATHE_ASSIGN_OR_RETURN(const at::Device device, device::Open(arguments.device));
  const std::int64_t process_bytes = device::MemoryBytes(at::Device(at::kCPU));
  Json rates = Json::object();
  for (const char* precision : {"fp32", "bf16"}) {
    LATHE_ASSIGN_OR_RETURN(rates[precision],
                           MeasureMatmul(arguments.device, precision, arguments.seconds));
  }
  Json answer{{"device", arguments.device},
              {"threads", device.is_cpu() ? device::Threads() : 0},
              {"matmulFlops", rates},
              {"processBytes", process_bytes}};
  if (device.is_cpu()) {
    answer["cpuKernels"] = kernels::WordFor(kernels::UsedCpuKernels());
    answer["packsBf16Weights"] = kernels::GainsByKeptPanels(at::kBFloat16);
  }
  if (arguments.model.empty()) return answer;
  for (const char* precision : {"fp32", "bf16"}) {
    LATHE_ASSIGN_OR_RETURN(answer["stepFlops"][precision],
                           MeasureSteps(arguments.model, arguments.device, precision));
  }
  return answer;
}

void Print(const Json& rates, const char* what, std::ostream& out) {
  for (const auto& [precision, rate] : rates.items()) {
    out << precision << "    " << static_cast<std::int64_t>(rate.get<double>() / 1e9)
        << " GFLOP/s in " << what << '\n';
  }
}

}  // namespace

Result<double> MeasureMatmul(const std::string& device_name, const std::string& precision,
                             double seconds) {
  LATHE_ASSIGN_OR_RETURN(const at::Device device, device::Open(device_name));
  // A GPU is not busy with less. Of random values: it computes faster with equal ones.
  const std::int64_t rows = device.is_cpu() ? 512 : 8192;
  const std::int64_t in = device.is_cpu() ? 1024 : 8192;
  const std::int64_t out = device.is_cpu() ? 4096 : 8192;
  const auto options = at::TensorOptions(TypeOf(precision)).device(device);
  const at::Tensor x = at::randn({rows, in}, options);
  const at::Tensor w = at::randn({out, in}, options);
  at::Tensor y = at::mm(x, w.t());
  Finish(y);  // The first product also sets up the library.
  const auto start = std::chrono::steady_clock::now();
  std::int64_t products = 0;
  double elapsed = 0;
  do {
    for (int i = 0; i < 4; ++i) at::mm_out(y, x, w.t());
    Finish(y);
    products += 4;
    elapsed = Seconds(std::chrono::steady_clock::now() - start);
  } while (elapsed < seconds);
  return 2.0 * static_cast<double>(rows * in * out * products) / elapsed;
}

int RunBench(const BenchArguments& arguments, std::ostream& out) {
  const auto measured = device::Guard([&] { return Measure(arguments); });
  if (!measured) return Report(measured.error());
  if (arguments.json) {
    out << measured->dump() << '\n';
    return trainer_protocol::kExitSucceeded;
  }
  out << "device  " << arguments.device << '\n';
  if (measured->contains("cpuKernels")) {
    out << "kernels " << (*measured)["cpuKernels"].get<std::string>() << " in training steps\n";
  }
  Print((*measured)["matmulFlops"], "matrix products", out);
  if (measured->contains("stepFlops")) Print((*measured)["stepFlops"], "training steps", out);
  return trainer_protocol::kExitSucceeded;
}

}  // namespace lathe::trainer::commands
