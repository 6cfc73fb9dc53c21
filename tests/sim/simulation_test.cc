// The true core, scheduler and store on virtual time, with load and faults drawn from a seed. After
// each step the invariants hold; in the end every acknowledged job has ended exactly once, and the
// metrics of those that succeeded have no gap and no double.
//
// LATHE_SIM_SEED=N replays one run; LATHE_SIM_SEEDS=N runs so many.

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "tests/sim/sim_coordinator.h"
#include "tests/sim/sim_engine.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/world.h"

namespace lathe::sim {
namespace {

using domain::JobState;

constexpr MonotonicInstant kFaultsEnd{std::chrono::seconds(150)};
constexpr MonotonicInstant kPatienceEnds{std::chrono::hours(2)};

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : world_(seed), coordinator_(world_) {
    coordinator_.Attach(engine_);
  }

  struct Result {
    std::size_t succeeded = 0, failed = 0, cancelled = 0, retried = 0, at_engine = 0;
    bool sound = true;
  };

  Result Run() {
    engine_.set_trouble(world_.Chance(0.7) ? 0.1 : 0, world_.Chance(0.3) ? 0.01 : 0);
    coordinator_.Start();
    MakeNodes();
    MakeJobs();
    coordinator_.set_store_trouble(world_.Chance(0.7) ? 0.03 : 0);
    NextFault();
    world_.Run(kPatienceEnds, [this] { return AllDone() || world_.violations() > 0; });
    return Check();
  }

 private:
  struct Request {
    domain::JobSpec spec;
    domain::JobId job;  ///< empty until acknowledged
  };

  void MakeNodes() {
    const std::uint64_t count = 1 + world_.Below(5);
    for (std::uint64_t i = 0; i < count; ++i) {
      domain::NodeDescription description;
      description.id = domain::NodeId("node-" + std::to_string(i));
      description.models = {"tiny"};
      description.resources.cpu_slots = static_cast<std::uint32_t>(1 + world_.Below(3));
      description.resources.cuda = true;
      // The first node can run everything, so that every job can end.
      const std::uint64_t gpus = i == 0 ? 4 : world_.Below(5);
      for (std::uint32_t g = 0; g < gpus; ++g) {
        description.resources.gpus.push_back({g, "uuid", "GPU", 1 << 30});
      }
      std::vector<std::string> lacks;
      if (i > 0 && world_.Chance(0.5)) lacks = {"a", "b"};
      nodes_.push_back(
          std::make_unique<SimNode>(world_, coordinator_, live_, description, std::move(lacks)));
      nodes_.back()->set_trouble({.fault = world_.Chance(0.7) ? 0.03 : 0,
                                  .user_error = world_.Chance(0.3) ? 0.01 : 0,
                                  .out_of_memory = world_.Chance(0.3) ? 0.01 : 0});
      SimNode* node = nodes_.back().get();
      world_.After(world_.Between({}, 5 * kSecond), [node] { node->Boot(); });
    }
  }

  void MakeJobs() {
    const std::uint64_t count = 3 + world_.Below(15);
    requests_.resize(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      domain::JobSpec& spec = requests_[i].spec;
      spec.request_id = "request-" + std::to_string(i);
      spec.payload_hash = "payload";
      spec.configuration_hash = "configuration";
      spec.base_model = "tiny";
      spec.priority = static_cast<std::int32_t>(world_.Below(3));
      // The simulated trainers read their number of steps here.
      spec.train = {"data", 1 + world_.Below(40)};
      spec.resources.gpus = static_cast<std::uint32_t>(world_.Below(5));
      spec.resources.cpu_slots = spec.resources.gpus == 0 ? 1 : 0;
      if (world_.Chance(0.3)) spec.required_features = {"b"};
      if (world_.Chance(0.3)) {
        spec.engine = SimEngine::kName;
        spec.resources = {.cpu_slots = 1};
      }
      world_.After(world_.Between({}, 60 * kSecond), [this, i] { Submit(requests_[i]); });
      if (world_.Chance(0.25)) {
        world_.After(world_.Between({}, 120 * kSecond), [this, i] { Cancel(requests_[i]); });
      }
    }
  }

  /// Again until it is answered, as a client does.
  void Submit(Request& request) {
    if (!request.job.value().empty() && !world_.Chance(0.3)) return;
    request.spec.id = domain::JobId("job-" + std::to_string(++last_job_));
    coordinator_.Submit(request.spec, [this, &request](const lathe::Result<domain::Job>& reply) {
      if (!reply) return world_.Violation("refused: " + ToString(reply.error()));
      if (!request.job.value().empty() && request.job != reply->id()) {
        world_.Violation("one request made two jobs");
      }
      request.job = reply->id();
    });
    world_.After(3 * kSecond, [this, &request] { Submit(request); });
  }

  void Cancel(Request& request) {
    if (request.job.value().empty()) return;
    auto answered = std::make_shared<bool>(false);
    coordinator_.Cancel(request.job, [answered](const auto&) { *answered = true; });
    world_.After(3 * kSecond, [this, &request, answered] {
      if (!*answered) Cancel(request);
    });
  }

  void NextFault() {
    world_.After(world_.Between(500 * kMillisecond, 10 * kSecond), [this] {
      if (world_.time() >= kFaultsEnd) return EndFaults();
      MakeFault();
      NextFault();
    });
  }

  void MakeFault() {
    SimNode& node = *nodes_[world_.Below(nodes_.size())];
    switch (world_.Below(7)) {
      case 0:
        coordinator_.Crash();
        return world_.After(world_.Between(200 * kMillisecond, 20 * kSecond),
                            [this] { coordinator_.Start(); });
      case 1:
        return coordinator_.Pause(world_.Between(100 * kMillisecond, 30 * kSecond));
      case 2:
        return node.CrashMachine();
      case 3:
        return node.RestartDaemon();
      case 4:
        return node.CutOff(world_.Between(kSecond, 40 * kSecond));
      default:
        return node.BreakLink();
    }
  }

  void EndFaults() {
    coordinator_.set_store_trouble(0);
    engine_.set_trouble(0, 0);
    for (const auto& node : nodes_) node->set_trouble({});
  }

  bool AllDone() const {
    if (world_.time() < kFaultsEnd) return false;
    return std::all_of(requests_.begin(), requests_.end(), [this](const Request& request) {
      return coordinator_.ended().contains(request.job);
    });
  }

  Result Check() {
    Result result;
    const auto records = coordinator_.disk().Load();
    if (!AllDone() && world_.violations() == 0)
      world_.Violation("waits for ever: " + Waiting(*records));
    if (records->jobs.size() != requests_.size() && world_.violations() == 0) {
      world_.Violation("jobs that nobody asked for");
    }
    for (const domain::Job& job : records->jobs) {
      if (job.state == JobState::kSucceeded) CheckMetrics(job);
      result.succeeded += job.state == JobState::kSucceeded;
      result.failed += job.state == JobState::kFailed;
      result.cancelled += job.state == JobState::kCancelled;
      result.retried += job.attempt > domain::AttemptNumber(1);
      result.at_engine += !job.spec.engine.empty();
      if (!job.spec.engine.empty() && job.attempt > domain::AttemptNumber(1)) {
        world_.Violation("job " + job.id().value() + " was given to its engine twice");
      }
    }
    if (engine_.running() > 0 && world_.violations() == 0) {
      world_.Violation("a job runs at the engine that has ended here");
    }
    result.sound = world_.violations() == 0;
    return result;
  }

  static std::string Waiting(const core::Records& records) {
    std::string text;
    for (const domain::Job& job : records.jobs) {
      if (IsFinal(job.state)) continue;
      text += job.id().value() + " " + std::string(ToString(job.state)) + " attempt " +
              std::to_string(job.attempt.value()) + " on " + job.node.value() + ": " +
              Sentence(job.reason) + " ";
    }
    return text;
  }

  void CheckMetrics(const domain::Job& job) {
    const auto events = coordinator_.disk().ReadEvents(job.id(), std::nullopt, 100000);
    std::uint64_t metrics = 0;
    for (const auto& event : *events) metrics += event.type == "metric";
    const auto highest = coordinator_.disk().HighestMetricStep(job.id());
    if (metrics == job.spec.train.size_bytes && *highest == metrics) return;
    world_.Violation("job " + job.id().value() + " has " + std::to_string(metrics) +
                     " metrics up to step " + std::to_string(*highest) + " instead of " +
                     std::to_string(job.spec.train.size_bytes));
  }

  World world_;
  SimCoordinator coordinator_;
  SimEngine engine_{world_, coordinator_};
  LiveTrainers live_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::vector<Request> requests_;
  std::uint64_t last_job_ = 0;
};

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(Simulation, EveryAcknowledgedJobEndsExactlyOnce) {
  const std::uint64_t only = FromEnvironment("LATHE_SIM_SEED", 0);
  const std::uint64_t first = only != 0 ? only : 1;
  const std::uint64_t last = only != 0 ? only : FromEnvironment("LATHE_SIM_SEEDS", 500);
  Simulation::Result total;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const auto result = Simulation(seed).Run();
    ASSERT_TRUE(result.sound) << "seed " << seed;
    total.succeeded += result.succeeded;
    total.failed += result.failed;
    total.cancelled += result.cancelled;
    total.retried += result.retried;
    total.at_engine += result.at_engine;
  }
  std::cout << total.succeeded << " succeeded, " << total.failed << " failed, " << total.cancelled
            << " cancelled, " << total.retried << " tried more than once, " << total.at_engine
            << " at an engine\n";
  if (only == 0) {
    // A simulation in which nothing goes wrong proves nothing.
    EXPECT_GT(total.retried, last);
    EXPECT_GT(total.failed, 0U);
    EXPECT_GT(total.cancelled, 0U);
    EXPECT_GT(total.at_engine, last);
  }
}

}  // namespace
}  // namespace lathe::sim
