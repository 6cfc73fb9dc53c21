#pragma once
// Who comes first: priority, then age, then id, so that the order is total.

#include "coordinator/scheduler/snapshot.h"

namespace lathe::scheduler {

/// Works on anything with priority, created and an id to dereference.
inline bool Before(const JobView& a, const JobView& b) {
  if (a.priority != b.priority) return a.priority > b.priority;
  if (a.created != b.created) return a.created < b.created;
  return *a.id < *b.id;
}

/// Sorts the queue; free of cost when it is in order already.
void Order(std::vector<JobView>& queue);

}  // namespace lathe::scheduler
