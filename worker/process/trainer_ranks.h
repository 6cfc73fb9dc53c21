#pragma once
// The trainers of one attempt on this node, one process a rank, as one thing: started together,
// signalled together, and gone together. When one ends, the others cannot go on; they see it
// themselves at the next thing that they do together, and are killed if that takes too long. Like
// TrainerProcess it neither kills nor waits when it is destroyed. Not thread-safe.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "worker/process/outcome.h"
#include "worker/process/trainer_process.h"

namespace lathe::worker::process {

/// Given to the other ranks to leave by themselves, and to say why, once one has ended.
inline constexpr std::chrono::seconds kPartingTime{5};

/// What tells a trainer that it is one of several (worker/trainer_protocol); nothing for one alone.
std::map<std::string, std::string> RankEnvironment(unsigned rank, unsigned size,
                                                   const std::filesystem::path& rendezvous);

class TrainerRanks {
 public:
  /// One a spec, rank 0 first: all of them or none.
  static Result<TrainerRanks> Launch(const std::vector<LaunchSpec>& specs, const Clock& clock);
  /// Some or all may be gone.
  static TrainerRanks Adopt(const std::vector<ProcessIdentity>& identities, const Clock& clock);

  std::vector<ProcessIdentity> identities() const;
  bool AnyAlive() const;

  /// SIGTERM to each.
  void Terminate();
  /// SIGKILL to the process group of each.
  void Kill();

  /// Waits until all have ended, one more has, `wake_fd` is readable, or the limit is over. True:
  /// all have ended.
  bool WaitFor(Duration limit, int wake_fd = -1);

  /// How each ended, by rank; once all have.
  std::vector<RankEnd> ends() const;

 private:
  struct Rank {
    ProcessIdentity identity;
    std::optional<TrainerProcess> process;  ///< unset: it was gone when it was to be adopted
    bool ended = false;
    RankEnd end;
  };

  explicit TrainerRanks(const Clock& clock) : clock_(&clock) {}
  void Poll(Duration limit, int wake_fd) const;
  void NoteEnded();
  void KillStragglers();

  const Clock* clock_;
  std::vector<Rank> ranks_;
  unsigned ended_ = 0;
  std::optional<MonotonicInstant> kill_at_;  ///< set when the first has ended
};

/// Kills trainers that an earlier daemon left, and waits until they hold nothing any more.
void KillAndWait(const std::vector<ProcessIdentity>& identities, const Clock& clock);

}  // namespace lathe::worker::process
