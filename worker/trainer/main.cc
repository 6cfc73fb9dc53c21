// `lathe-trainer`: trains what a plan file says, and a few commands to check its parts by hand.

#include "worker/trainer/commands/command_line.h"

int main(int argc, char** argv) {
  return lathe::trainer::commands::RunCommandLine(argc, argv);
}
