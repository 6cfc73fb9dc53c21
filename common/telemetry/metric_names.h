#pragma once
// Every metric of the house, once: name, help, labels by their documented spelling. The rules
// in deploy/prometheus are tested against what the daemons serve. Durations are seconds, sizes
// bytes.

#include <array>
#include <span>

namespace lathe::telemetry {

struct CounterName {
  const char* name;
  const char* help;
};
struct GaugeName {
  const char* name;
  const char* help;
};
struct HistogramName {
  const char* name;
  const char* help;
  std::span<const double> buckets;  ///< upper bounds in seconds, growing
};

namespace buckets {
/// One call: a tenth of a millisecond to ten seconds.
inline constexpr std::array<double, 14> kCall = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5, 10};
/// From a decision to a started process: five milliseconds to ten minutes.
inline constexpr std::array<double, 13> kStart = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                  1,     2.5,  10,    60,   300, 600};
/// Waiting of people: a tenth of a second to a day.
inline constexpr std::array<double, 12> kWait = {0.1, 0.5, 1,    5,    15,    60,
                                                 300, 900, 3600, 7200, 28800, 86400};
}  // namespace buckets

namespace metrics {

// Both daemons.
inline constexpr GaugeName kBuildInfo{"lathe_build_info",
                                      "Always 1; labels program and version say what runs."};

// Coordinator.
inline constexpr GaugeName kJobs{"lathe_jobs", "Jobs by state."};
inline constexpr HistogramName kQueueWait{
    "lathe_queue_wait_seconds", "From a job's submission to its first assignment to a node.",
    buckets::kWait};
inline constexpr HistogramName kDispatchLatency{
    "lathe_dispatch_latency_seconds", "From an attempt's assignment to its trainer's start.",
    buckets::kStart};
inline constexpr CounterName kAttempts{"lathe_attempts_total", "Ended attempts by outcome."};
inline constexpr GaugeName kGpus{"lathe_gpus", "GPUs of ready nodes by state: used, free."};
inline constexpr GaugeName kCpuSlots{"lathe_cpu_slots",
                                     "CPU slots of ready nodes by state: used, free."};
inline constexpr GaugeName kNodes{"lathe_nodes", "Nodes by state."};
inline constexpr HistogramName kRpcDuration{
    "lathe_rpc_duration_seconds", "Calls served by method and code; streams from open to close.",
    buckets::kCall};
inline constexpr HistogramName kRedisDuration{"lathe_redis_duration_seconds",
                                              "Calls of the store by op.", buckets::kCall};
inline constexpr CounterName kRedisErrors{"lathe_redis_errors_total",
                                          "Failed calls of the store by op and code."};
inline constexpr GaugeName kLeaderEpoch{"lathe_leader_epoch",
                                        "Epoch this coordinator leads in; 0: standby."};
inline constexpr GaugeName kStoreAvailable{"lathe_store_available",
                                           "1 while the store answers, else 0."};
inline constexpr GaugeName kEventQueue{"lathe_event_queue_length",
                                       "Events that wait for the coordinator's loop."};
inline constexpr CounterName kEventsStored{"lathe_events_stored_total",
                                           "Trainer events by result: stored, duplicate, stale."};

// Worker.
inline constexpr GaugeName kWorkerTrainers{"lathe_worker_trainers",
                                           "Trainers on this node by state."};
inline constexpr GaugeName kWorkerConnected{"lathe_worker_connected",
                                            "1 while the coordinator's stream is open."};
inline constexpr CounterName kWorkerReconnects{"lathe_worker_reconnects_total",
                                               "Streams opened to the coordinator."};
inline constexpr CounterName kWorkerAttempts{"lathe_worker_attempts_total",
                                             "Ended attempts of this node by outcome."};
inline constexpr CounterName kWorkerEvents{"lathe_worker_events_total",
                                           "Trainer events acknowledged by the coordinator."};
inline constexpr GaugeName kWorkerSpoolEvents{
    "lathe_worker_spool_events", "Trainer events on disk that wait for an acknowledgement."};
inline constexpr GaugeName kWorkerSpoolBytes{"lathe_worker_spool_bytes",
                                             "Size of the trainer events that wait."};
inline constexpr HistogramName kWorkerHeartbeat{
    "lathe_worker_heartbeat_seconds", "From a heartbeat's sending to its acknowledgement.",
    buckets::kCall};
inline constexpr CounterName kWorkerTransferredBytes{"lathe_worker_transferred_bytes_total",
                                                     "Blob bytes by direction: download, upload."};

}  // namespace metrics
}  // namespace lathe::telemetry
