#include "worker/node/task_queue.h"

#include <utility>

namespace lathe::worker {

void TaskQueue::Post(Task task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  posted_.notify_one();
}

void TaskQueue::RunFor(Duration limit) {
  std::deque<Task> tasks;
  {
    std::unique_lock lock(mutex_);
    posted_.wait_for(lock, limit, [this] { return !tasks_.empty(); });
    tasks.swap(tasks_);
  }
  for (const Task& task : tasks) task();
}

}  // namespace lathe::worker
