#include "common/domain/resources.h"

#include <algorithm>
#include <cctype>

namespace lathe::domain {
namespace {

bool EqualIgnoringCase(char a, char b) {
  return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
}

bool ContainsIgnoringCase(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(), EqualIgnoringCase) !=
         text.end();
}

std::string Counted(std::uint32_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

/// With one decimal, rounded down.
std::string Gibibytes(std::uint64_t bytes) {
  constexpr std::uint64_t kGibibyte = 1ULL << 30;
  const std::uint64_t tenths = bytes % kGibibyte * 10 / kGibibyte;
  return std::to_string(bytes / kGibibyte) + "." + std::to_string(tenths) + " GiB";
}

}  // namespace

bool Suits(const Gpu& gpu, const ResourceRequest& request) {
  return gpu.memory_bytes >= request.min_gpu_memory_bytes &&
         ContainsIgnoringCase(gpu.name, request.gpu_type);
}

std::string Describe(const ResourceRequest& request) {
  if (request.gpus == 0) return Counted(request.cpu_slots, "CPU slot");
  std::string text = Counted(request.gpus, "GPU");
  if (!request.gpu_type.empty()) text += " of type " + request.gpu_type;
  if (request.min_gpu_memory_bytes > 0) {
    text += " with at least " + Gibibytes(request.min_gpu_memory_bytes);
  }
  return text;
}

}  // namespace lathe::domain
