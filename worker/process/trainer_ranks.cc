#include "worker/process/trainer_ranks.h"

#include <poll.h>

#include <algorithm>

#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::worker::process {
namespace {

constexpr std::chrono::milliseconds kReapInterval{50};

}  // namespace

std::map<std::string, std::string> RankEnvironment(unsigned rank, unsigned size,
                                                   const std::filesystem::path& rendezvous) {
  namespace protocol = trainer_protocol;
  if (size == 1) return {};
  return {{protocol::kRankVariable, std::to_string(rank)},
          {protocol::kLocalRankVariable, std::to_string(rank)},
          {protocol::kWorldSizeVariable, std::to_string(size)},
          {protocol::kRendezvousVariable, rendezvous.string()}};
}

Result<TrainerRanks> TrainerRanks::Launch(const std::vector<LaunchSpec>& specs,
                                          const Clock& clock) {
  TrainerRanks ranks(clock);
  for (const LaunchSpec& spec : specs) {
    auto launched = TrainerProcess::Launch(spec);
    if (!launched) {
      ranks.Kill();
      while (!ranks.WaitFor(kReapInterval)) {
      }
      return Failure(launched.error());
    }
    Rank rank{.identity = launched->identity()};
    rank.process = std::move(*launched);
    ranks.ranks_.push_back(std::move(rank));
  }
  return ranks;
}

TrainerRanks TrainerRanks::Adopt(const std::vector<ProcessIdentity>& identities,
                                 const Clock& clock) {
  TrainerRanks ranks(clock);
  for (const ProcessIdentity& identity : identities) {
    Rank rank{.identity = identity};
    rank.process = TrainerProcess::Adopt(identity);
    ranks.ranks_.push_back(std::move(rank));
  }
  ranks.NoteEnded();
  return ranks;
}

std::vector<ProcessIdentity> TrainerRanks::identities() const {
  std::vector<ProcessIdentity> identities;
  for (const Rank& rank : ranks_) identities.push_back(rank.identity);
  return identities;
}

bool TrainerRanks::AnyAlive() const {
  return std::any_of(ranks_.begin(), ranks_.end(), [](const Rank& rank) { return !rank.ended; });
}

void TrainerRanks::Terminate() {
  for (Rank& rank : ranks_) {
    if (!rank.ended) rank.process->Terminate();
  }
}

void TrainerRanks::Kill() {
  for (Rank& rank : ranks_) {
    if (!rank.ended) rank.process->KillGroup();
  }
}

bool TrainerRanks::WaitFor(Duration limit, int wake_fd) {
  if (!AnyAlive()) return true;
  Poll(limit, wake_fd);
  NoteEnded();
  KillStragglers();
  return !AnyAlive();
}

void TrainerRanks::Poll(Duration limit, int wake_fd) const {
  std::vector<pollfd> fds = {{wake_fd, POLLIN, 0}};
  for (const Rank& rank : ranks_) {
    if (!rank.ended) fds.push_back({rank.process->pidfd(), POLLIN, 0});
  }
  if (kill_at_) limit = std::clamp(Duration(*kill_at_ - clock_->MonotonicNow()), Duration{}, limit);
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
  ::poll(fds.data(), fds.size(), static_cast<int>(milliseconds));
}

void TrainerRanks::NoteEnded() {
  for (Rank& rank : ranks_) {
    if (rank.ended || (rank.process && !rank.process->WaitFor(Duration{}))) continue;
    rank.ended = true;
    rank.end.order = ended_++;
    if (rank.process) rank.end.exit = rank.process->exit_status();
    if (!kill_at_) kill_at_ = clock_->MonotonicNow() + kPartingTime;
  }
}

void TrainerRanks::KillStragglers() {
  if (!kill_at_ || clock_->MonotonicNow() < *kill_at_) return;
  for (Rank& rank : ranks_) {
    if (rank.ended) continue;
    rank.end.left_behind = true;
    rank.process->KillGroup();
  }
  kill_at_ = clock_->MonotonicNow() + kPartingTime;
}

std::vector<RankEnd> TrainerRanks::ends() const {
  std::vector<RankEnd> ends;
  for (const Rank& rank : ranks_) ends.push_back(rank.end);
  return ends;
}

void KillAndWait(const std::vector<ProcessIdentity>& identities, const Clock& clock) {
  TrainerRanks ranks = TrainerRanks::Adopt(identities, clock);
  // What does not die of KILL hangs in the kernel: the next trainer is told by the folder's lock.
  constexpr int kTries = 100;
  for (int i = 0; i < kTries && ranks.AnyAlive(); ++i) {
    ranks.Kill();
    ranks.WaitFor(kReapInterval);
  }
}

}  // namespace lathe::worker::process
