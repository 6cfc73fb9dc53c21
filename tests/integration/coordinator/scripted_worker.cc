#include "tests/integration/coordinator/scripted_worker.h"

#include <gtest/gtest.h>

#include <chrono>

namespace lathe::testing {

ScriptedWorker::ScriptedWorker(const std::shared_ptr<grpc::Channel>& channel)
    : stub_(v1::WorkerService::NewStub(channel)) {
  // A script that waits for what never comes fails instead of hanging.
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  stream_ = stub_->Session(&context_);
}

ScriptedWorker::~ScriptedWorker() {
  if (finished_) return;
  context_.TryCancel();
  Finish();
}

v1::Registration ScriptedWorker::Registration(const std::string& node) {
  v1::Registration registration;
  registration.set_protocol_version(1);
  registration.set_node_id(node);
  registration.set_hostname("host-of-" + node);
  registration.set_worker_version("test");
  registration.mutable_resources()->set_cpu_slots(1);
  registration.mutable_resources()->set_cpu_cores(2);
  registration.add_models("tiny");
  return registration;
}

void ScriptedWorker::Register(const v1::Registration& registration) {
  v1::WorkerMessage message;
  *message.mutable_registration() = registration;
  Write(message);
}

void ScriptedWorker::Report(const v1::StartAttempt& start, v1::AttemptPhase phase,
                            const v1::Manifest& adapter) {
  v1::WorkerMessage message;
  auto& report = *message.mutable_attempt_report();
  report.set_job_id(start.job_id());
  report.set_attempt(start.attempt());
  report.set_phase(phase);
  *report.mutable_adapter() = adapter;
  Write(message);
}

void ScriptedWorker::SendMetrics(const v1::StartAttempt& start, std::uint64_t first_sequence,
                                 const std::vector<int>& steps) {
  v1::WorkerMessage message;
  auto& batch = *message.mutable_event_batch();
  batch.set_job_id(start.job_id());
  batch.set_attempt(start.attempt());
  for (const int step : steps) {
    auto* event = batch.add_events();
    event->set_sequence(first_sequence++);
    event->set_json(R"({"seq":1,"time":"2026-11-21T10:00:00.5Z","type":"metric","step":)" +
                    std::to_string(step) + R"(,"epoch":0.5,"loss":1.25,"tokensPerSecond":10})");
  }
  Write(message);
}

bool ScriptedWorker::Write(const v1::WorkerMessage& message) {
  return stream_->Write(message);
}

v1::CoordinatorMessage ScriptedWorker::Expect(v1::CoordinatorMessage::BodyCase kind) {
  v1::CoordinatorMessage message;
  while (!finished_ && stream_->Read(&message)) {
    if (message.body_case() == kind) return message;
  }
  ADD_FAILURE() << "the stream ended before message " << kind << ": " << Finish().error_message();
  return {};
}

grpc::Status ScriptedWorker::Finish() {
  finished_ = true;
  v1::CoordinatorMessage rest;
  while (stream_->Read(&rest)) {
  }
  return stream_->Finish();
}

}  // namespace lathe::testing
