#pragma once
// Which nodes can take a job of a shape: engine, base model, what the trainer can do, GPU type and
// memory, room.

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/scheduler/snapshot.h"

namespace lathe::scheduler {

/// Whether the node is the shape's engine, or a machine that has its base model.
bool IsCandidate(const NodeView& node, const Shape& shape);

/// What of the shape's features the node's trainer lacks; all of them while it has not told.
std::vector<std::string> Lacking(const NodeView& node, const Shape& shape);

/// Whether the node is a candidate whose trainer can do what the shape asks for.
bool Offers(const NodeView& node, const Shape& shape);

/// Whether that GPU of the node is of the type and memory asked for.
bool SuitsByIndex(const NodeView& node, const Shape& shape, std::uint32_t index);

/// How many of the node's free units (suitable GPUs, or CPU slots) the shape could use.
std::uint32_t FreeUnits(const NodeView& node, const Shape& shape);

/// The same of an empty node.
std::uint32_t TotalUnits(const NodeView& node, const Shape& shape);

/// Units that the shape asks for.
inline std::uint32_t WantedUnits(const Shape& shape) {
  return shape.resources.gpus > 0 ? shape.resources.gpus : shape.resources.cpu_slots;
}

/// Whether the node can take a job of the shape now.
bool Fits(const NodeView& node, const Shape& shape);

}  // namespace lathe::scheduler
