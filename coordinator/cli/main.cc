// lathe: the command line of a Lathe cluster.

#include <string>
#include <vector>

#include "coordinator/cli/app.h"

int main(int argc, char** argv) {
  return lathe::cli::Main(std::vector<std::string>(argv + 1, argv + argc));
}
