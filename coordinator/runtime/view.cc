#include "coordinator/runtime/view.h"

#include <utility>

namespace lathe::runtime {
namespace {

std::size_t Index(domain::JobState state) {
  return static_cast<std::size_t>(state);
}

}  // namespace

bool View::NewestFirst::operator()(const ListPosition& a, const ListPosition& b) const {
  return a.created != b.created ? a.created > b.created : a.id > b.id;
}

void View::Load(const core::Records& records) {
  const std::lock_guard lock(mutex_);
  for (const domain::Job& job : records.jobs) Put(job);
  for (const domain::Node& node : records.nodes) nodes_[node.id()] = node;
}

void View::Apply(const core::Commit& commit) {
  {
    const std::lock_guard lock(mutex_);
    for (const domain::Job& job : commit.jobs) Put(job);
    for (const domain::Node& node : commit.nodes) nodes_[node.id()] = node;
    if (!commit.nodes.empty()) shown_nodes_.reset();
  }
  for (const domain::Job& job : commit.jobs) signals_.Notify(job.id());
}

void View::Put(const domain::Job& job) {
  const auto record = std::make_shared<const domain::Job>(job);
  JobPtr& place = jobs_[job.id()];
  if (place) --counts_[Index(place->state)];
  ++counts_[Index(job.state)];
  place = record;
  order_[{job.created, job.id()}] = record;
  if (domain::IsLive(job.state)) {
    live_.insert(job.id());
    shown_nodes_.reset();
  } else if (live_.erase(job.id()) > 0) {
    shown_nodes_.reset();
  }
}

JobPtr View::Job(const domain::JobId& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : found->second;
}

std::vector<JobPtr> View::List(const std::optional<ListPosition>& after, std::size_t limit,
                               const std::function<bool(const domain::Job&)>& accept) const {
  std::vector<JobPtr> page;
  const std::lock_guard lock(mutex_);
  auto entry = after ? order_.upper_bound(*after) : order_.begin();
  for (; entry != order_.end() && page.size() < limit; ++entry) {
    if (accept(*entry->second)) page.push_back(entry->second);
  }
  return page;
}

NodesPtr View::Nodes() const {
  const std::lock_guard lock(mutex_);
  if (!shown_nodes_) shown_nodes_ = std::make_shared<const std::vector<NodeView>>(MakeNodes());
  return shown_nodes_;
}

std::vector<NodeView> View::MakeNodes() const {
  std::map<domain::NodeId, NodeView> views;
  for (const auto& [id, node] : nodes_) {
    if (node.description.engine.empty()) views[id].node = node;
  }
  for (const domain::JobId& id : live_) {
    const domain::Job& job = *jobs_.at(id);
    const auto view = views.find(job.node);
    if (view == views.end()) continue;
    view->second.jobs.push_back(id);
    view->second.gpus_in_use += static_cast<std::uint32_t>(job.gpus.size());
    view->second.cpu_slots_in_use += job.spec.resources.cpu_slots;
  }
  std::vector<NodeView> list;
  list.reserve(views.size());
  for (auto& [id, view] : views) list.push_back(std::move(view));
  return list;
}

std::size_t View::Count(domain::JobState state) const {
  const std::lock_guard lock(mutex_);
  return counts_[Index(state)];
}

}  // namespace lathe::runtime
