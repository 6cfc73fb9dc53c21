#pragma once
// What a job needs of one node and what a node has. Whole GPUs are counted and handed out by index;
// CPU-only trainers take slots.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::domain {

struct ResourceRequest {
  std::uint32_t gpus = 0;       ///< whole GPUs of one node; 0 runs on CPU slots
  std::uint32_t cpu_slots = 0;  ///< slots of a CPU-only job; 0 when it uses GPUs
  std::string gpu_type;         ///< part of the GPU's name ("A100"), any case; empty: any
  std::uint64_t min_gpu_memory_bytes = 0;
  friend auto operator<=>(const ResourceRequest&, const ResourceRequest&) = default;
};

struct Gpu {
  std::uint32_t index = 0;
  std::string uuid;
  std::string name;
  std::uint64_t memory_bytes = 0;
  friend bool operator==(const Gpu&, const Gpu&) = default;
};

struct NodeResources {
  std::vector<Gpu> gpus;
  std::uint32_t cpu_slots = 0;  ///< CPU-only trainers that may run at once
  std::uint32_t cpu_cores = 0;
  std::uint64_t memory_bytes = 0;
  bool cuda = false;  ///< whether this node's trainer can use its GPUs
  friend bool operator==(const NodeResources&, const NodeResources&) = default;
};

/// Whether one GPU satisfies the type and memory of a request.
bool Suits(const Gpu& gpu, const ResourceRequest& request);

/// "2 GPUs of type A100 with at least 40.0 GiB", "1 CPU slot": for sentences.
std::string Describe(const ResourceRequest& request);

}  // namespace lathe::domain
