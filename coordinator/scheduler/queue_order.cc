#include "coordinator/scheduler/queue_order.h"

#include <algorithm>

namespace lathe::scheduler {

void Order(std::vector<JobView>& queue) {
  if (!std::is_sorted(queue.begin(), queue.end(), Before)) {
    std::sort(queue.begin(), queue.end(), Before);
  }
}

}  // namespace lathe::scheduler
