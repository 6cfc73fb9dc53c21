#include "coordinator/scheduler/place.h"

#include <algorithm>

#include "common/base/check.h"
#include "coordinator/scheduler/filter.h"

namespace lathe::scheduler {

std::vector<std::uint32_t> Take(NodeView& node, const Shape& shape) {
  LATHE_CHECK(FreeUnits(node, shape) >= WantedUnits(shape), "the node has room");
  if (shape.resources.gpus == 0) {
    node.free_cpu_slots -= shape.resources.cpu_slots;
    return {};
  }
  std::vector<std::uint32_t> taken;
  std::erase_if(node.free_gpus, [&](std::uint32_t index) {
    if (taken.size() == shape.resources.gpus || !SuitsByIndex(node, shape, index)) return false;
    taken.push_back(index);
    return true;
  });
  return taken;
}

}  // namespace lathe::scheduler
