// `lathe-trainer`: trains what a plan file says, and a few commands to check its parts by hand.

#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "worker/trainer/commands/command_line.h"

namespace {

/// What libraries read when they are loaded, so that the program has to start again for it:
/// - OpenMP's threads spin long at barriers by default, which makes a step ten times slower as soon
///   as anything else uses a core; asleep at once, they take a tenth of the step to wake up. So
///   they spin for some tens of microseconds.
/// - A step frees what the next one needs again: memory is kept, not returned, which saves tens of
///   thousands of page faults a step.
void SetUpLibraries(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  ::setenv("OMP_WAIT_POLICY", "passive", 0);
  ::setenv("GOMP_SPINCOUNT", "2000", 0);
  ::setenv("GLIBC_TUNABLES",
           "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184", 0);
  ::execv("/proc/self/exe", argv);  // Where that is not possible, slow is better than not at all.
}

}  // namespace

int main(int argc, char** argv) {
  SetUpLibraries(argv);
  // A file that grows beyond a limit on its size is a failed write like a full disk, not a death.
  ::signal(SIGXFSZ, SIG_IGN);
  return lathe::trainer::commands::RunCommandLine(argc, argv);
}
