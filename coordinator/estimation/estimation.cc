#include "coordinator/estimation/estimation.h"

#include <algorithm>

namespace lathe::estimation {
namespace {

/// What a process with a CUDA context holds on the device before any tensor.
constexpr double kCudaContextBytes = 0.6e9;
/// Of a CPU whose speed no worker has told yet, FLOP/s: nothing is promised then.
constexpr double kUnknown = 0;

std::uint64_t Bytes(double value) {
  return static_cast<std::uint64_t>(std::max(0.0, value));
}

double GpuMemory(const Candidate& candidate) {
  double largest = 0;
  for (const auto& gpu : candidate.node->resources.gpus) {
    largest = std::max(largest, static_cast<double>(gpu.memory_bytes));
  }
  return largest;
}

double MemoryFor(const Candidate& candidate, bool gpu) {
  return gpu ? GpuMemory(candidate) : static_cast<double>(candidate.node->resources.memory_bytes);
}

const Candidate* Roomiest(const std::vector<Candidate>& candidates, bool gpu) {
  const auto best = std::max_element(candidates.begin(), candidates.end(),
                                     [gpu](const Candidate& a, const Candidate& b) {
                                       return MemoryFor(a, gpu) < MemoryFor(b, gpu);
                                     });
  return best == candidates.end() ? nullptr : &*best;
}

estimator::Machine MachineOf(const Candidate* candidate, const Inputs& inputs,
                             double bytes_per_value) {
  const bool gpu = inputs.resources.gpus > 0;
  estimator::Machine machine{.name = "CPU", .gpu = gpu, .matmul_flops = kUnknown};
  machine.price_per_hour = gpu ? inputs.prices.gpu_hour : inputs.prices.cpu_slot_hour;
  if (gpu && machine.price_per_hour) *machine.price_per_hour *= inputs.resources.gpus;
  if (gpu) machine.name = inputs.resources.gpu_type.empty() ? "GPU" : inputs.resources.gpu_type;
  if (candidate == nullptr) return machine;
  machine.memory_bytes = MemoryFor(*candidate, gpu);
  if (candidate->speed) {
    machine.matmul_flops =
        bytes_per_value <= 2 ? candidate->speed->bf16_flops() : candidate->speed->fp32_flops();
    machine.step_flops = bytes_per_value <= 2 ? candidate->speed->bf16_step_flops()
                                              : candidate->speed->fp32_step_flops();
    machine.base_bytes = static_cast<double>(candidate->speed->process_bytes());
    machine.packs_bf16_weights = !gpu && candidate->speed->packs_bf16_weights();
  }
  if (!gpu) return machine;
  machine.base_bytes = kCudaContextBytes;
  if (!candidate->node->resources.gpus.empty()) {
    machine.name = candidate->node->resources.gpus.front().name;
  }
  if (machine.matmul_flops <= 0) {
    machine.matmul_flops =
        estimator::GpuMatmulFlops(machine.name, bytes_per_value).value_or(kUnknown);
  }
  return machine;
}

void AddAssumptions(const Inputs& inputs, const estimator::Machine& machine,
                    const Candidate* candidate, v1::Estimate& out) {
  if (!inputs.training.mean_tokens) {
    out.add_assumptions(
        inputs.shape.bytes_per_token > 0
            ? "Lengths in tokens follow from the text's bytes, at what the model's tokenizer makes "
              "of English."
            : "Lengths in tokens are guessed from the text's bytes.");
  }
  if (!inputs.training.exact) {
    out.add_assumptions("Examples are counted in the first megabyte and scaled to the file.");
  }
  if (candidate == nullptr) {
    out.add_assumptions("No node that could run the job has registered.");
  } else if (machine.matmul_flops <= 0) {
    out.add_assumptions("The speed of the device is not known yet.");
  } else if (!candidate->speed) {
    out.add_assumptions("The speed is the device's data sheet's, not measured.");
  }
}

void Fill(const estimator::Estimate& estimate, v1::Estimate& out) {
  out.set_parameters(estimate.parameters);
  out.set_trainable_parameters(estimate.trainable_parameters);
  const estimator::Memory& m = estimate.memory;
  auto& memory = *out.mutable_memory();
  memory.set_total_bytes(Bytes(m.total));
  memory.set_weights_bytes(Bytes(m.weights));
  memory.set_trained_bytes(Bytes(m.trainable + m.gradients));
  memory.set_optimizer_bytes(Bytes(m.optimizer));
  memory.set_activations_bytes(Bytes(m.activations));
  memory.set_working_bytes(Bytes(m.working));
  memory.set_process_bytes(Bytes(m.base));
  out.set_steps(static_cast<std::uint64_t>(std::max<std::int64_t>(0, estimate.time.steps)));
  out.set_tokens(estimate.time.tokens);
  if (estimate.time.tokens_per_second > 0) {
    out.set_tokens_per_second(estimate.time.tokens_per_second);
    out.set_seconds(estimate.time.total_seconds);
    if (estimate.cost) out.set_cost(*estimate.cost);
  }
  out.set_fits(estimate.fits);
  for (const std::string& remedy : estimate.remedies) out.add_remedies(remedy);
}

}  // namespace

v1::Estimate MakeEstimate(const Inputs& inputs) {
  estimator::Workload workload =
      WorkloadOf(inputs.resolved, inputs.training, inputs.validation, inputs.shape.bytes_per_token);
  const bool gpu = inputs.resources.gpus > 0;
  // "Not set" means bf16 on a GPU and fp32 on a CPU.
  if (!inputs.resolved.model().has_precision()) workload.bytes_per_value = gpu ? 2 : 4;
  const Candidate* candidate = Roomiest(inputs.candidates, gpu);
  const estimator::Machine machine = MachineOf(candidate, inputs, workload.bytes_per_value);
  v1::Estimate out;
  Fill(estimator::MakeEstimate(inputs.shape, workload, machine), out);
  out.set_device(machine.name);
  AddAssumptions(inputs, machine, candidate, out);
  return out;
}

std::vector<Finding> CheckFit(const v1::JobConfiguration& resolved,
                              const estimator::ModelShape& shape, const DataSample& training) {
  std::vector<Finding> findings;
  const auto& schedule = resolved.schedule();
  if (shape.context > 0 && schedule.sequence_length() > shape.context) {
    findings.push_back(
        {"schedule.sequenceLength", Severity::kWarning, "beyond_model",
         "The model was trained for sequences of at most " + std::to_string(shape.context) +
             " tokens; what lies beyond is learnt from this data alone.",
         std::to_string(schedule.sequence_length()), "at most " + std::to_string(shape.context)});
  }
  const std::int64_t asked = std::int64_t{schedule.batch_size()} * schedule.gradient_accumulation();
  if (training.exact && training.examples > 0 && static_cast<double>(asked) > training.examples) {
    const auto count = static_cast<std::int64_t>(training.examples);
    findings.push_back({"schedule.batchSize", Severity::kWarning, "more_than_data",
                        "batchSize x gradientAccumulation is more than the data set has: each step "
                        "sees all of its " +
                            std::to_string(count) + " examples.",
                        std::to_string(asked), "a product of at most " + std::to_string(count)});
  }
  return findings;
}

}  // namespace lathe::estimation
