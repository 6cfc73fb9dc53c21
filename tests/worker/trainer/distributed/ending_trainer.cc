// lathe-trainer, one of whose processes gets a signal in the middle of a step's backward pass: in
// place before it begins one of its sums of gradients, while the others are on their way. Which
// one, and when, is said by LATHE_TEST_END = "RANK SUMS SIGNAL", SUMS being those begun before.
//
// The linker lets the program's calls of Group::StartSum come here (--wrap).

#include <signal.h>

#include <cstdlib>
#include <sstream>

#include "worker/trainer/distributed/group.h"

namespace lathe::trainer::distributed {
namespace {

struct End {
  int rank = -1;
  int sums = 0;
  int signal = 0;
};

End ReadEnd() {
  End end;
  if (const char* value = std::getenv("LATHE_TEST_END"); value != nullptr) {
    std::istringstream(value) >> end.rank >> end.sums >> end.signal;
  }
  return end;
}

}  // namespace

Gathering RealStartSum(const Group* group, at::Tensor tensor) __asm__(
    "__real__ZNK5lathe7trainer11distributed5Group8StartSumEN2at6TensorE");
Gathering StartSumOrEnd(const Group* group, at::Tensor tensor) __asm__(
    "__wrap__ZNK5lathe7trainer11distributed5Group8StartSumEN2at6TensorE");

Gathering StartSumOrEnd(const Group* group, at::Tensor tensor) {
  static const End end = ReadEnd();
  static int begun = 0;
  if (group->rank() == end.rank && begun++ == end.sums) ::raise(end.signal);
  return RealStartSum(group, std::move(tensor));
}

}  // namespace lathe::trainer::distributed
