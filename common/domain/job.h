#pragma once
// A job as it is stored: what was asked for, where it stands, what came of it. A value; only the
// coordinator's core changes it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/artifact.h"
#include "common/domain/ids.h"
#include "common/domain/job_state.h"
#include "common/domain/progress.h"
#include "common/domain/reason.h"
#include "common/domain/resources.h"

namespace lathe::domain {

/// What was asked for: fixed when the job is accepted.
struct JobSpec {
  JobId id;
  std::string name;
  std::string owner;
  std::int32_t priority = 0;  ///< larger runs first
  ResourceRequest resources;
  std::string request_id;    ///< makes a repeated submission safe; empty: none
  std::string payload_hash;  ///< of all that was asked for: tells a repetition from a reuse
  /// Names the configuration's bytes in the store. Equal configurations are kept once.
  std::string configuration_hash;
  std::uint32_t schema_version = 1;  ///< of the schema that those bytes are written in
  /// What the configuration was made from: `template:NAME`, `saved:OWNER/NAME`, `job:ID` or empty.
  std::string configuration_source;
  std::string engine;      ///< that runs it; empty: this cluster
  std::string base_model;  ///< the name under which workers register it, or the engine knows it
  /// What the trainer that runs it must be able to do, sorted: tokens that mean nothing here. Only
  /// what a trainer may lack; few jobs have any.
  std::vector<std::string> required_features;
  Blob train;
  std::optional<Blob> validation;
  Manifest init_adapter;  ///< to start from; empty: a fresh one
  friend bool operator==(const JobSpec&, const JobSpec&) = default;
};

/// A job as it stands at an engine beyond this cluster.
struct RemoteJob {
  /// The request that starts it may have been sent: it is looked for before it is sent again.
  bool start_sent = false;
  std::string id;     ///< the engine's own; empty until it has told one
  std::string state;  ///< in the engine's words
  std::string model;  ///< the fine-tuned model's name there
  friend bool operator==(const RemoteJob&, const RemoteJob&) = default;
};

struct Job {
  JobSpec spec;
  std::uint64_t revision = 0;  ///< counts the stored changes; the resource's etag

  JobState state = JobState::kPending;
  Reason reason;
  AttemptNumber attempt;            ///< the present or last one
  NodeId node;                      ///< where that attempt runs or ran; empty before the first
  std::vector<std::uint32_t> gpus;  ///< indices held on that node; empty unless live

  Instant created{};
  std::optional<Instant> started;  ///< first time a trainer ran
  std::optional<Instant> ended;

  Progress progress;
  Checkpoint checkpoint;  ///< where the next attempt goes on
  Manifest adapter;       ///< set when succeeded
  RemoteJob remote;       ///< of a job of an engine

  bool cancel_requested = false;
  std::string cancel_reason;  ///< a person's words; may be empty
  std::uint32_t faults = 0;   ///< since the last checkpoint progress
  NodeId fault_node;          ///< where the last fault happened

  const JobId& id() const { return spec.id; }
  AttemptKey key() const { return {spec.id, attempt}; }
  friend bool operator==(const Job&, const Job&) = default;
};

}  // namespace lathe::domain
