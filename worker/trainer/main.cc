// `lathe-trainer`: trains what a plan file says, and a few commands to check its parts by hand.

#include <signal.h>
#include <sys/prctl.h>

#include "worker/trainer/commands/command_line.h"
#include "worker/trainer/commands/report.h"
#include "worker/trainer/kernels/cpu_kernels.h"

int main(int argc, char** argv) {
  // What ps and top show; without it "exe", by which library_settings.cc has started the program.
  ::prctl(PR_SET_NAME, "lathe-trainer");
  // A file that grows beyond a limit on its size is a failed write like a full disk, not a death.
  ::signal(SIGXFSZ, SIG_IGN);
  if (const lathe::Status usable = lathe::trainer::kernels::CheckCpuKernels(); !usable) {
    return lathe::trainer::commands::Report(usable.error());
  }
  return lathe::trainer::commands::RunCommandLine(argc, argv);
}
