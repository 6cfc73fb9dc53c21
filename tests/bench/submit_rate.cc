// Submits jobs as fast as a coordinator takes them and tells how fast that was:
//   submit_rate ADDRESS DATASET_ID JOBS CONNECTIONS IN_FLIGHT [brief]
// Each connection keeps IN_FLIGHT calls on their way; brief: the answers do without the resolved
// values, as those that `lathe submit` asks for. A call ends when its job is stored durably, so the
// rate is one of durable submissions. Prints one line of JSON.

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/rpc/channel.h"
#include "lathe/v1/job_service.grpc.pb.h"

namespace lathe::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// All of one run. The callbacks come from gRPC's threads.
class Run {
 public:
  Run(std::string dataset, int jobs, bool brief)
      : dataset_(std::move(dataset)), brief_(brief), left_(jobs), done_(jobs) {}

  void Start(v1::JobService::Stub& stub) {
    if (left_.fetch_sub(1) <= 0) return;
    auto call = std::make_shared<Call>();
    call->request.set_configuration_json(
        R"({"model":{"baseModel":"llama_tiny"},"datasets":{"format":"tokenized","trainingFileId":")" +
        dataset_ + R"("},"hardware":{"device":"cpu"}})");
    call->request.set_brief(brief_);
    call->begin = Clock::now();
    stub.async()->CreateJob(&call->context, &call->request, &call->response,
                            [this, &stub, call](const grpc::Status& status) {
                              Finish(Clock::now() - call->begin, status);
                              Start(stub);
                              done_.count_down();
                            });
  }

  void Wait() { done_.wait(); }
  std::vector<double> SortedMilliseconds() {
    std::sort(milliseconds_.begin(), milliseconds_.end());
    return milliseconds_;
  }
  int failed() const { return failed_; }

 private:
  struct Call {
    grpc::ClientContext context;
    v1::CreateJobRequest request;
    v1::CreateJobResponse response;
    Clock::time_point begin;
  };

  void Finish(Clock::duration time, const grpc::Status& status) {
    const std::lock_guard lock(mutex_);
    milliseconds_.push_back(std::chrono::duration<double, std::milli>(time).count());
    if (status.ok()) return;
    if (failed_++ == 0) std::fprintf(stderr, "submit_rate: %s\n", status.error_message().c_str());
  }

  const std::string dataset_;
  const bool brief_;
  std::atomic<int> left_;
  std::latch done_;
  std::mutex mutex_;  // guards the two below
  std::vector<double> milliseconds_;
  int failed_ = 0;
};

int Main(char** arguments) {
  const std::string address = arguments[1];
  const int jobs = std::atoi(arguments[3]);
  const int connections = std::atoi(arguments[4]);
  const int in_flight = std::atoi(arguments[5]);
  std::vector<std::unique_ptr<v1::JobService::Stub>> stubs;
  for (int i = 0; i < connections; ++i) {
    auto channel = rpc::CreateChannel(address, {});
    if (!channel) {
      std::fprintf(stderr, "submit_rate: %s\n", channel.error().message.c_str());
      return 1;
    }
    stubs.push_back(v1::JobService::NewStub(*channel));
  }
  Run run(arguments[2], jobs, arguments[6] != nullptr);
  const auto begin = Clock::now();
  for (int i = 0; i < in_flight; ++i) {
    for (const auto& stub : stubs) run.Start(*stub);
  }
  run.Wait();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const std::vector<double> times = run.SortedMilliseconds();
  std::printf(
      "{\"jobs\":%d,\"failed\":%d,\"seconds\":%.3f,\"perSecond\":%.0f,\"p50Ms\":%.1f,\"p99Ms\":%."
      "1f}"
      "\n",
      jobs, run.failed(), seconds, jobs / seconds, times[times.size() / 2],
      times[times.size() * 99 / 100]);
  return run.failed() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace lathe::bench

int main(int argc, char** argv) {
  if (argc != 6 && !(argc == 7 && std::string_view(argv[6]) == "brief")) {
    std::fputs("usage: submit_rate ADDRESS DATASET_ID JOBS CONNECTIONS IN_FLIGHT [brief]\n",
               stderr);
    return 2;
  }
  return lathe::bench::Main(argv);
}
