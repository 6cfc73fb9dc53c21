#pragma once
// Finds out, on a thread of its own, what takes a while: what the trainer can do, the speed of the
// device that jobs use, and the shapes of the base models. What cannot be found out is logged once
// and left out.

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "lathe/v1/worker_service.pb.h"

namespace lathe::worker {

class FactFinder {
 public:
  using Models = std::map<std::string, std::filesystem::path>;
  /// Called on the finder's thread with all that is known, whenever that has become more.
  using Found = std::function<void(const v1::NodeFacts&)>;

  FactFinder(std::filesystem::path trainer, std::string device, Found found);
  /// Ends what it is at.
  ~FactFinder();

  /// These are the models now.
  void Want(Models models);

 private:
  void Run();
  /// Blocks until there is something to look at; false: the end.
  bool WaitForWork(std::string& name, std::filesystem::path& model);
  void AskCapabilities();
  void MeasureSpeed();
  /// Once, with the first model of a telling size.
  void MeasureSteps(const v1::ModelShape& shape, const std::filesystem::path& model);

  const std::filesystem::path trainer_;
  const std::string device_;
  const Found found_;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;  ///< guards models_; the rest belongs to the thread
  std::condition_variable changed_;
  Models models_;
  std::map<std::string, v1::ModelShape> shapes_;
  std::set<std::string> looked_at_;
  v1::NodeFacts facts_;
  std::thread thread_;
};

}  // namespace lathe::worker
