#include "tests/integration/worker/scripted_coordinator.h"

#include <grpcpp/server_builder.h>

#include <nlohmann/json.hpp>

#include "common/base/file_io.h"

namespace lathe::worker {
namespace {

void SetSeconds(double seconds, google::protobuf::Duration& duration) {
  duration.set_seconds(static_cast<std::int64_t>(seconds));
  duration.set_nanos(
      static_cast<std::int32_t>((seconds - static_cast<double>(duration.seconds())) * 1e9));
}

}  // namespace

class ScriptedCoordinator::Sessions final : public v1::WorkerService::Service {
 public:
  explicit Sessions(ScriptedCoordinator& owner) : owner_(owner) {}
  grpc::Status Session(grpc::ServerContext*, Stream* stream) override {
    return owner_.Serve(*stream);
  }

 private:
  ScriptedCoordinator& owner_;
};

class ScriptedCoordinator::Artifacts final : public v1::ArtifactService::Service {
 public:
  explicit Artifacts(const artifacts::BlobStore& blobs) : blobs_(blobs) {}

  grpc::Status UploadBlob(grpc::ServerContext*, grpc::ServerReader<v1::UploadBlobRequest>* reader,
                          v1::UploadBlobResponse* response) override {
    v1::UploadBlobRequest part;
    reader->Read(&part);
    const v1::Blob header = part.header();
    auto writer = blobs_.Write().value();
    while (reader->Read(&part)) {
      if (!writer.Append(part.data())) return {grpc::StatusCode::INTERNAL, "write"};
    }
    const auto blob = writer.Commit(header);
    if (!blob) return {grpc::StatusCode::DATA_LOSS, blob.error().message};
    *response->mutable_blob() = *blob;
    return grpc::Status::OK;
  }
  grpc::Status DownloadBlob(grpc::ServerContext*, const v1::DownloadBlobRequest* request,
                            grpc::ServerWriter<v1::DownloadBlobResponse>* writer) override {
    const auto path = blobs_.PathOf(request->sha256());
    if (!path) return {grpc::StatusCode::NOT_FOUND, "no blob " + request->sha256()};
    v1::DownloadBlobResponse piece;
    piece.set_data(ReadFile(*path).value().substr(request->offset()));
    writer->Write(piece);
    return grpc::Status::OK;
  }
  grpc::Status FindMissingBlobs(grpc::ServerContext*, const v1::FindMissingBlobsRequest* request,
                                v1::FindMissingBlobsResponse* response) override {
    for (const std::string& name : request->sha256()) {
      if (!blobs_.Has(name)) response->add_sha256(name);
    }
    return grpc::Status::OK;
  }

 private:
  const artifacts::BlobStore& blobs_;
};

ScriptedCoordinator::ScriptedCoordinator(const std::filesystem::path& folder, Script script)
    : address_("unix:" + (folder / "c.sock").string()),
      blobs_(artifacts::BlobStore::Open(folder / "blobs").value()),
      script_(script) {
  Start();
}

ScriptedCoordinator::~ScriptedCoordinator() {
  Stop();
}

void ScriptedCoordinator::Start() {
  sessions_ = std::make_unique<Sessions>(*this);
  artifacts_ = std::make_unique<Artifacts>(blobs_);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address_, grpc::InsecureServerCredentials());
  builder.RegisterService(sessions_.get());
  builder.RegisterService(artifacts_.get());
  server_ = builder.BuildAndStart();
}

void ScriptedCoordinator::Stop() {
  if (!server_) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

void ScriptedCoordinator::SetScript(const Script& script) {
  const std::lock_guard lock(mutex_);
  script_ = script;
}

void ScriptedCoordinator::Send(const v1::CoordinatorMessage& message) {
  const std::lock_guard lock(mutex_);
  if (stream_ != nullptr) stream_->Write(message);
}

v1::Blob ScriptedCoordinator::Put(const std::string& bytes) {
  return blobs_.PutBytes(bytes).value();
}

std::string ScriptedCoordinator::Get(const v1::Blob& blob) const {
  return ReadFile(blobs_.PathOf(blob.sha256()).value()).value();
}

grpc::Status ScriptedCoordinator::Serve(Stream& stream) {
  v1::WorkerMessage message;
  if (!stream.Read(&message) || !message.has_registration()) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "a registration comes first"};
  }
  {
    const std::lock_guard lock(mutex_);
    if (script_.refuse_version) {
      return {grpc::StatusCode::FAILED_PRECONDITION,
              "worker speaks protocol version 1; this coordinator needs 2"};
    }
    heard_.push_back(message);
    ++registrations_;
    v1::CoordinatorMessage welcome;
    welcome.mutable_welcome()->set_protocol_version(1);
    SetSeconds(script_.heartbeat_seconds, *welcome.mutable_welcome()->mutable_heartbeat_interval());
    SetSeconds(script_.lease_seconds, *welcome.mutable_welcome()->mutable_lease());
    stream.Write(welcome);
    stream_ = &stream;
  }
  changed_.notify_all();
  while (stream.Read(&message)) {
    const std::lock_guard lock(mutex_);
    Answer(message, stream);
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  if (stream_ == &stream) stream_ = nullptr;
  return grpc::Status::OK;
}

void ScriptedCoordinator::Answer(const v1::WorkerMessage& message, Stream& stream) {
  v1::CoordinatorMessage answer;
  if (message.has_heartbeat()) {
    if (!script_.ack_heartbeats) return;
    answer.mutable_heartbeat_ack()->set_sequence(message.heartbeat().sequence());
    stream.Write(answer);
    return;
  }
  heard_.push_back(message);
  if (message.has_attempt_report() && script_.ack_reports) {
    const v1::AttemptReport& report = message.attempt_report();
    answer.mutable_report_ack()->set_job_id(report.job_id());
    answer.mutable_report_ack()->set_attempt(report.attempt());
    answer.mutable_report_ack()->set_phase(report.phase());
    stream.Write(answer);
  }
  if (message.has_event_batch()) {
    const v1::EventBatch& batch = message.event_batch();
    for (const auto& event : batch.events()) {
      events_[batch.job_id()].emplace(std::pair(batch.attempt(), event.sequence()), event.json());
    }
    if (!script_.ack_events) return;
    answer.mutable_event_ack()->set_job_id(batch.job_id());
    answer.mutable_event_ack()->set_attempt(batch.attempt());
    answer.mutable_event_ack()->set_sequence(batch.events().rbegin()->sequence());
    stream.Write(answer);
  }
}

bool ScriptedCoordinator::WaitUntil(const std::function<bool()>& condition) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), condition);
}

std::optional<v1::WorkerMessage> ScriptedCoordinator::WaitFor(
    const std::function<bool(const v1::WorkerMessage&)>& wanted) {
  std::optional<v1::WorkerMessage> found;
  WaitUntil([&] {
    for (const auto& message : heard_) {
      if (!found && wanted(message)) found = message;
    }
    return found.has_value();
  });
  return found;
}

std::optional<v1::AttemptReport> ScriptedCoordinator::WaitForEnd(const std::string& job,
                                                                 unsigned attempt) {
  const auto message = WaitFor([&](const v1::WorkerMessage& m) {
    return m.attempt_report().job_id() == job && m.attempt_report().attempt() == attempt &&
           m.attempt_report().phase() != v1::ATTEMPT_PHASE_STARTED;
  });
  return message ? std::optional(message->attempt_report()) : std::nullopt;
}

std::optional<v1::AttemptReport> ScriptedCoordinator::WaitForStart(const std::string& job,
                                                                   unsigned attempt) {
  const auto message = WaitFor([&](const v1::WorkerMessage& m) {
    return m.attempt_report().job_id() == job && m.attempt_report().attempt() == attempt &&
           m.attempt_report().phase() == v1::ATTEMPT_PHASE_STARTED;
  });
  return message ? std::optional(message->attempt_report()) : std::nullopt;
}

std::optional<v1::Registration> ScriptedCoordinator::WaitForRegistration(std::size_t count) {
  if (!WaitUntil([&] { return registrations_ >= count; })) return std::nullopt;
  std::optional<v1::Registration> last;
  for (const auto& message : Heard()) {
    if (message.has_registration()) last = message.registration();
  }
  return last;
}

std::vector<std::string> ScriptedCoordinator::EventsOf(const std::string& job) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> texts;
  for (const auto& [id, text] : events_[job]) texts.push_back(text);
  return texts;
}

std::vector<int> ScriptedCoordinator::StepsOf(const std::string& job) {
  std::vector<int> steps;
  for (const std::string& text : EventsOf(job)) {
    const auto event = nlohmann::json::parse(text);
    if (event.at("type") == "metric") steps.push_back(event.at("step"));
  }
  return steps;
}

bool ScriptedCoordinator::WaitForSteps(const std::string& job, std::size_t count) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (StepsOf(job).size() < count) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) return false;
  }
  return true;
}

std::vector<v1::WorkerMessage> ScriptedCoordinator::Heard() {
  const std::lock_guard lock(mutex_);
  return heard_;
}

void ScriptedCoordinator::Forget() {
  const std::lock_guard lock(mutex_);
  heard_.clear();
}

}  // namespace lathe::worker
