#pragma once
// What a frozen reference thinks of the answers that a run compares: the log-probability of each
// example's targets under the base model, measured once, before the first update, and kept in
// OUTPUT/reference.safetensors. A run that goes on reads that file, so that training whole weights
// finds the reference that it began with, and every later epoch saves its forward passes.
//
// Examples are measured in batches of their order in the data, whatever the order of training: a
// value depends on the data and the batch size alone. Private to this room.

#include <filesystem>
#include <functional>

#include "worker/trainer/distributed/group.h"
#include "worker/trainer/loop/dataset.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::loop {

struct ReferenceInput {
  const model::Decoder& decoder;  ///< as it was loaded
  std::filesystem::path output;
  std::string identity;         ///< of what the values depend on
  std::int64_t batch_size = 1;  ///< groups
  const distributed::Group& processes;
};

/// Fills Example::reference of all examples, in every process of the group; they divide the
/// batches. False when stop() became true between batches, in any of them. A file that is damaged
/// or of another identity is measured anew.
Result<bool> MeasureReference(const ReferenceInput& input, Dataset& data,
                              const std::function<bool()>& stop);

}  // namespace lathe::trainer::loop
