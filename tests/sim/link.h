#pragma once
// A stream between a node and a coordinator: delays, keeps the order, breaks. What was under way
// when it broke is lost or arrives late, after a newer stream has begun.

#include <algorithm>
#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include "common/domain/attempt.h"
#include "common/domain/node.h"
#include "coordinator/core/effects.h"
#include "coordinator/storage/store.h"
#include "tests/sim/world.h"

namespace lathe::sim {

// ---- up ----
struct Registration {
  domain::NodeDescription description;
  std::vector<domain::AttemptReport> attempts;
};
struct Heartbeat {
  std::uint64_t sequence = 0;
};
struct TrainerTold {
  std::vector<std::string> lacks;
};
struct CheckpointUploaded {
  domain::AttemptKey attempt;
  domain::Checkpoint checkpoint;
};
using Up = std::variant<Registration, TrainerTold, Heartbeat, domain::AttemptReport,
                        storage::EventBatch, CheckpointUploaded>;

// ---- down ----
struct Start {
  core::StartAttempt command;
  std::uint64_t reported_step = 0;
};
struct EventAck {
  domain::AttemptKey attempt;
  std::uint64_t sequence = 0;
};
using Down = std::variant<core::Welcome, core::AcknowledgeHeartbeat, Start, core::StopAttempt,
                          core::AcknowledgeReport, EventAck>;

class Link : public std::enable_shared_from_this<Link> {
 public:
  Link(World& world, domain::SessionId session, domain::NodeId node)
      : world_(world), session_(session), node_(std::move(node)) {}

  domain::SessionId session() const { return session_; }
  const domain::NodeId& node() const { return node_; }
  bool broken() const { return broken_; }

  std::function<void(const Up&)> on_up;
  std::function<void(const Down&)> on_down;
  std::function<void()> on_coordinator_sees_break;
  std::function<void()> on_node_sees_break;

  void SendUp(Up message) {
    Carry(last_up_, [message = std::move(message)](Link& link) { link.on_up(message); });
  }
  void SendDown(Down message) {
    Carry(last_down_, [message = std::move(message)](Link& link) { link.on_down(message); });
  }

  void Break() {
    if (broken_) return;
    broken_ = true;
    loses_what_is_under_way_ = world_.Chance(0.5);
    auto self = shared_from_this();
    world_.After(world_.Between(kMillisecond, 3 * kSecond),
                 [self] { self->on_coordinator_sees_break(); });
    world_.After(world_.Between(kMillisecond, kSecond), [self] { self->on_node_sees_break(); });
  }

 private:
  void Carry(MonotonicInstant& last, std::function<void(Link&)> deliver) {
    if (broken_) return;
    // Now and then a message takes long.
    const Duration longest = world_.Chance(0.02) ? 2 * kSecond : 20 * kMillisecond;
    last = std::max(last, world_.time() + world_.Between(kMillisecond, longest));
    auto self = shared_from_this();
    world_.After(last - world_.time(), [self, deliver = std::move(deliver)] {
      if (!(self->broken_ && self->loses_what_is_under_way_)) deliver(*self);
    });
  }

  World& world_;
  const domain::SessionId session_;
  const domain::NodeId node_;
  bool broken_ = false;
  bool loses_what_is_under_way_ = false;
  MonotonicInstant last_up_{};
  MonotonicInstant last_down_{};
};

}  // namespace lathe::sim
