#include "coordinator/scheduler/filter.h"

#include <algorithm>
#include <iterator>

namespace lathe::scheduler {
namespace {

const domain::Gpu* FindGpu(const domain::NodeResources& resources, std::uint32_t index) {
  if (index < resources.gpus.size() && resources.gpus[index].index == index) {
    return &resources.gpus[index];
  }
  const auto found = std::find_if(resources.gpus.begin(), resources.gpus.end(),
                                  [index](const domain::Gpu& gpu) { return gpu.index == index; });
  return found == resources.gpus.end() ? nullptr : &*found;
}

bool AnyGpuWillDo(const domain::ResourceRequest& request) {
  return request.gpu_type.empty() && request.min_gpu_memory_bytes == 0;
}

}  // namespace

bool SuitsByIndex(const NodeView& node, const Shape& shape, std::uint32_t index) {
  const domain::Gpu* gpu = FindGpu(node.description->resources, index);
  return gpu != nullptr && domain::Suits(*gpu, shape.resources);
}

bool IsCandidate(const NodeView& node, const Shape& shape) {
  if (node.description->engine != shape.engine) return false;
  const auto& models = node.description->models;
  return !shape.engine.empty() ||
         std::binary_search(models.begin(), models.end(), shape.base_model);
}

std::vector<std::string> Lacking(const NodeView& node, const Shape& shape) {
  if (node.lacks == nullptr) return shape.features;
  std::vector<std::string> lacking;
  std::set_intersection(shape.features.begin(), shape.features.end(), node.lacks->begin(),
                        node.lacks->end(), std::back_inserter(lacking));
  return lacking;
}

bool Offers(const NodeView& node, const Shape& shape) {
  return IsCandidate(node, shape) && (shape.features.empty() || Lacking(node, shape).empty());
}

std::uint32_t FreeUnits(const NodeView& node, const Shape& shape) {
  if (shape.resources.gpus == 0) return node.free_cpu_slots;
  if (AnyGpuWillDo(shape.resources)) return static_cast<std::uint32_t>(node.free_gpus.size());
  return static_cast<std::uint32_t>(
      std::count_if(node.free_gpus.begin(), node.free_gpus.end(),
                    [&](std::uint32_t index) { return SuitsByIndex(node, shape, index); }));
}

std::uint32_t TotalUnits(const NodeView& node, const Shape& shape) {
  const domain::NodeResources& resources = node.description->resources;
  if (shape.resources.gpus == 0) return resources.cpu_slots;
  if (!resources.cuda) return 0;
  return static_cast<std::uint32_t>(
      std::count_if(resources.gpus.begin(), resources.gpus.end(),
                    [&](const domain::Gpu& gpu) { return domain::Suits(gpu, shape.resources); }));
}

bool Fits(const NodeView& node, const Shape& shape) {
  return Offers(node, shape) && FreeUnits(node, shape) >= WantedUnits(shape);
}

}  // namespace lathe::scheduler
