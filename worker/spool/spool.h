#pragma once
// The events of one attempt on disk, numbered from 1 without a gap, until the coordinator has
// acknowledged them. What was read from which source and its number are written in one go, so that
// a restarted daemon neither loses nor repeats a line, whenever it died.
//
// File: a line an event, "<sequence> <event log offset> <trainer log offset> <json>"; the offsets
// say where reading goes on after this event. "<file>.acked" holds the acknowledged number; it may
// be older than the truth, then some events are sent again, which the coordinator ignores.
// Thread-safe: one thread appends, another one sends.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace lathe::worker::spool {

/// How far the two files of a trainer have been taken over.
struct SourceOffsets {
  std::uint64_t events = 0;
  std::uint64_t log = 0;
  friend bool operator==(const SourceOffsets&, const SourceOffsets&) = default;
};

class Spool {
 public:
  struct Record {
    SourceOffsets next;  ///< where reading goes on after this event
    std::string json;    ///< one line
  };
  struct Entry {
    std::uint64_t sequence = 0;
    std::string json;
  };

  /// Opens or creates it. A line that a crash left incomplete is cut off.
  static Result<std::unique_ptr<Spool>> Open(const std::filesystem::path& path);

  /// Durable when it returns. kResourceExhausted when the disk is full; then nothing is appended.
  Status Append(std::span<const Record> records);

  /// Entries after number `after` (at least the acknowledged number), in order, at most max_count
  /// and about max_bytes.
  Result<std::vector<Entry>> Read(std::uint64_t after, std::size_t max_count,
                                  std::size_t max_bytes) const;

  /// Everything up to this number is stored by the coordinator.
  void Acknowledge(std::uint64_t sequence);

  std::uint64_t last() const;
  std::uint64_t acknowledged() const;
  SourceOffsets offsets() const;
  std::uint64_t unsent_bytes() const;  ///< of entries that are not acknowledged

 private:
  Spool(std::filesystem::path path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  Status Load();

  const std::filesystem::path path_;
  const UniqueFd fd_;
  mutable std::mutex mutex_;  // guards all below
  SourceOffsets offsets_;
  std::uint64_t acknowledged_ = 0;
  std::vector<std::uint64_t> ends_;  ///< ends_[n] = file offset after entry n; ends_[0] = 0
};

}  // namespace lathe::worker::spool
