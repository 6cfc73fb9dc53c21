// AdamW with 8-bit block-wise moments (https://arxiv.org/abs/2110.02861), as bitsandbytes computes
// it: blocks of 256 within each tensor, tensors below 4096 elements keep fp32 moments, and the
// update uses the new moments before they are rounded.

#include "worker/trainer/optim/adamw_8bit.h"

#include <algorithm>

#include "worker/trainer/optim/adamw_cuda.h"

namespace lathe::trainer::optim::adamw_8bit {
namespace {

constexpr char kFirstCodes[] = "first_moment_codes";
constexpr char kFirstMaxima[] = "first_moment_maxima";
constexpr char kSecondCodes[] = "second_moment_codes";
constexpr char kSecondMaxima[] = "second_moment_maxima";

/// Blocks that are on the device at once when the moments are paged: 16 million elements.
constexpr std::int64_t kPageBlocks = 65536;

BlockSlice SliceOf(const Run& run, const UpdateArguments& arguments, const OptimizerState& state,
                   std::int64_t begin, std::int64_t blocks) {
  const std::int64_t element = run.offset + begin * kBlock;
  const std::int64_t count = std::min(blocks * kBlock, run.count - begin * kBlock);
  const auto moment = [&](const char* codes, const char* maxima) {
    const std::int64_t first = run.state_offset + begin;
    return QuantizedMoment{state.tensors.at(codes).narrow(0, first * kBlock, blocks * kBlock),
                           state.tensors.at(maxima).narrow(0, first, blocks)};
  };
  return {arguments.gradient.narrow(0, element, count),
          arguments.parameters.narrow(0, element, count), moment(kFirstCodes, kFirstMaxima),
          moment(kSecondCodes, kSecondMaxima)};
}

/// All tensors on one device that is not the CPU.
void UpdateBlocksThere(const adamw::Factors& factors, const BlockSlice& slice) {
#if defined(LATHE_CUDA_KERNELS)
  UpdateBlocksByKernel(factors, slice);
#else
  UpdateBlocksChained(factors, slice);
#endif
}

/// Moments on the host visit the device.
void UpdatePage(const adamw::Factors& factors, const BlockSlice& slice) {
  const at::Device device = slice.parameters.device();
  BlockSlice page = slice;
  for (QuantizedMoment* moment : {&page.first, &page.second}) {
    moment->codes = moment->codes.to(device, /*non_blocking=*/true);
    moment->maxima = moment->maxima.to(device, /*non_blocking=*/true);
  }
  UpdateBlocksThere(factors, page);
  slice.first.codes.copy_(page.first.codes, /*non_blocking=*/true);
  slice.first.maxima.copy_(page.first.maxima, /*non_blocking=*/true);
  slice.second.codes.copy_(page.second.codes, /*non_blocking=*/true);
  // Work on a stream is done in order: when the last copy is there, all of them are.
  slice.second.maxima.copy_(page.second.maxima);
}

void UpdateQuantized(const adamw::Factors& factors, const Run& run,
                     const UpdateArguments& arguments, const OptimizerState& state) {
  for (std::int64_t begin = 0; begin < run.blocks(); begin += kPageBlocks) {
    const std::int64_t blocks = std::min(kPageBlocks, run.blocks() - begin);
    const BlockSlice slice = SliceOf(run, arguments, state, begin, blocks);
    if (slice.parameters.is_cpu()) {
      UpdateBlocksFused(factors, slice);
    } else if (slice.first.codes.is_cpu()) {
      UpdatePage(factors, slice);
    } else {
      UpdateBlocksThere(factors, slice);
    }
  }
}

}  // namespace

std::vector<Run> RunsOf(const Layout& layout) {
  std::vector<Run> runs;
  std::int64_t blocks = 0;
  std::int64_t elements = 0;
  for (const ParameterView& view : layout) {
    const std::int64_t count = ElementCount(view);
    if (count == 0) continue;
    const bool quantized = count >= kMinimumElements;
    const bool joins = !runs.empty() && runs.back().quantized == quantized &&
                       runs.back().offset + runs.back().count == view.offset &&
                       (!quantized || runs.back().count % kBlock == 0);
    if (joins) {
      runs.back().count += count;
    } else {
      runs.push_back({view.offset, count, quantized, quantized ? blocks : elements});
    }
    (quantized ? blocks : elements) += quantized ? (count + kBlock - 1) / kBlock : count;
  }
  return runs;
}

OptimizerState Make(const OptimizerSettings& settings, const Layout& layout,
                    const at::Tensor& parameters) {
  std::int64_t blocks = 0;
  std::int64_t elements = 0;
  for (const Run& run : RunsOf(layout)) {
    (run.quantized ? blocks : elements) += run.quantized ? run.blocks() : run.count;
  }
  const auto zeros = [&](std::int64_t count, at::ScalarType type) {
    return adamw::MomentZeros(count, type, parameters, settings.paged);
  };
  OptimizerState state;
  for (const char* name : {kFirstCodes, kSecondCodes}) {
    state.tensors[name] = zeros(blocks * kBlock, at::kByte);
  }
  for (const char* name : {kFirstMaxima, kSecondMaxima}) {
    state.tensors[name] = zeros(blocks, at::kFloat);
  }
  // The small ones are never paged, as in bitsandbytes.
  for (const char* name : {kFirstMoment, kSecondMoment}) {
    state.tensors[name] = adamw::MomentZeros(elements, at::kFloat, parameters, false);
  }
  return state;
}

void Update(const OptimizerSettings& settings, const UpdateArguments& arguments,
            OptimizerState& state) {
  const adamw::Factors factors = adamw::FactorsOf(settings, arguments.learning_rate, state.updates);
  for (const Run& run : RunsOf(arguments.layout)) {
    if (run.quantized) {
      UpdateQuantized(factors, run, arguments, state);
      continue;
    }
    adamw::UpdateSlice(factors,
                       {arguments.gradient.narrow(0, run.offset, run.count),
                        arguments.parameters.narrow(0, run.offset, run.count),
                        state.tensors.at(kFirstMoment).narrow(0, run.state_offset, run.count),
                        state.tensors.at(kSecondMoment).narrow(0, run.state_offset, run.count)});
  }
}

}  // namespace lathe::trainer::optim::adamw_8bit
