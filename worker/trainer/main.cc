// `lathe-trainer`: trains what a plan file says, and a few commands to check its parts by hand.

#include <signal.h>

#include "worker/trainer/commands/command_line.h"

int main(int argc, char** argv) {
  // A file that grows beyond a limit on its size is a failed write like a full disk, not a death.
  ::signal(SIGXFSZ, SIG_IGN);
  return lathe::trainer::commands::RunCommandLine(argc, argv);
}
