#include "coordinator/sessions/event_appender.h"

#include <algorithm>
#include <utility>

namespace lathe::sessions {
namespace {

constexpr std::chrono::milliseconds kFirstRetry{50};
constexpr std::chrono::milliseconds kLongestRetry{1000};

}  // namespace

EventAppender::EventAppender(storage::Store& store, runtime::ChangeSignals& signals,
                             telemetry::Telemetry& telemetry, PostEvent post)
    : store_(store), signals_(signals), telemetry_(telemetry), post_(std::move(post)) {
  thread_ = std::thread([this] { Run(); });
}

EventAppender::~EventAppender() {
  Stop();
}

bool EventAppender::Append(ReadBatch batch, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    items_.push_back({std::move(batch), std::move(done)});
  }
  woken_.notify_all();
  return true;
}

void EventAppender::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  woken_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void EventAppender::Run() {
  while (true) {
    std::vector<Item> items;
    {
      std::unique_lock lock(mutex_);
      woken_.wait(lock, [this] { return stopping_ || !items_.empty(); });
      if (items_.empty()) return;
      items.swap(items_);
    }
    Store(std::move(items));
  }
}

void EventAppender::Store(std::vector<Item> items) {
  std::vector<storage::EventBatch> batches;
  batches.reserve(items.size());
  for (Item& item : items) batches.push_back(std::move(item.read.batch));
  auto results = TryAppend(batches);
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].read.batch.attempt = batches[i].attempt;
    if (results) {
      Finish(items[i], (*results)[i]);
    } else {
      items[i].done(Failure(results.error()));
    }
  }
}

Result<std::vector<storage::AppendResult>> EventAppender::TryAppend(
    const std::vector<storage::EventBatch>& batches) {
  auto wait = kFirstRetry;
  while (true) {
    auto results = store_.AppendEvents(batches);
    if (results || !storage::IsTransient(results.error().code)) return results;
    std::unique_lock lock(mutex_);
    if (woken_.wait_for(lock, wait, [this] { return stopping_; })) return results;
    wait = std::min(wait * 2, kLongestRetry);
  }
}

void EventAppender::Finish(Item& item, const storage::AppendResult& result) {
  const auto count = [this](const char* name, std::uint64_t number) {
    if (number == 0) return;
    telemetry_.Add(telemetry::metrics::kEventsStored, {{"result", name}},
                   static_cast<double>(number));
  };
  count("stored", result.stored);
  count("duplicate", result.duplicates);
  count("stale", result.stale);
  if (result.stored > 0) {
    // A full queue drops a summary; the next batch brings a newer one.
    post_(core::EventsStored{item.read.batch.attempt, std::move(item.read.progress)});
    signals_.Notify(item.read.batch.attempt.job);
  }
  item.done({});
}

}  // namespace lathe::sessions
