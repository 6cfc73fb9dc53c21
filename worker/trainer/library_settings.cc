// What libraries read from the environment when they are loaded, so that the program has to start
// again for it:
// - OpenMP's threads spin long at barriers by default, which makes a step ten times slower as soon
//   as anything else uses a core; asleep at once, they take a tenth of the step to wake up. So they
//   spin for some tens of microseconds.
// - A step frees what the next one needs again: memory is kept, not returned, which saves tens of
//   thousands of page faults a step.
// - MKL's products on two threads of an Intel processor differ in the last bits from run to run,
//   except in its mode of most compatibility; and a run that goes on must be the one that never
//   stopped. A step's products are our own where there are kernels for the processor, but for those
//   of fewer than 28 rows; where they are MKL's, that mode takes up to half of the speed. Other
//   processors have not shown it.
//
// This runs before the constructors of any library (a fifth of a second in libtorch's case), which
// then run only once. Nothing of the C library is ready yet: no allocation, no getenv, no errno.

#include <sys/syscall.h>
#include <unistd.h>

#include <iterator>

namespace {

constexpr const char* kSettings[] = {
    "OMP_WAIT_POLICY=passive",
    "GOMP_SPINCOUNT=2000",
    "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=4294967296:"
    "glibc.malloc.trim_threshold=17179869184",
};
constexpr const char* kIntelSettings[] = {"MKL_CBWR=COMPATIBLE"};
/// Says that the program was started again: not twice, should the system strip a setting.
constexpr const char* kDone = "LATHE_LIBRARY_SETTINGS=done";
constexpr int kMostVariables = 4096;

__attribute__((no_sanitize("address", "undefined", "thread"))) bool IsIntel() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_is("intel") != 0;
#else
  return false;
#endif
}

/// Whether an entry of the environment sets what a setting does.
__attribute__((no_sanitize("address", "undefined", "thread"))) bool SameName(const char* entry,
                                                                             const char* setting) {
  while (*entry == *setting && *entry != '=' && *entry != '\0') ++entry, ++setting;
  return *entry == '=' && *setting == '=';
}

__attribute__((no_sanitize("address", "undefined", "thread"))) void SetUpLibraries(
    int, char** argv, char** environment) {
  static const char*
      with_settings[kMostVariables + std::size(kSettings) + std::size(kIntelSettings) + 2];
  int count = 0;
  for (; environment[count] != nullptr; ++count) {
    if (count == kMostVariables) return;
    if (SameName(environment[count], kDone)) return;
    with_settings[count] = environment[count];
  }
  const int given = count;
  // What is set already was set by whoever knows better.
  const auto add = [&](const char* setting)
      __attribute__((no_sanitize("address", "undefined", "thread"))) {
    bool is_given = false;
    for (int i = 0; i < given; ++i) is_given = is_given || SameName(environment[i], setting);
    if (!is_given) with_settings[count++] = setting;
  };
  for (const char* setting : kSettings) add(setting);
  if (IsIntel()) {
    for (const char* setting : kIntelSettings) add(setting);
  }
  add(kDone);
  with_settings[count] = nullptr;
  // Where that is not possible, slow is better than not at all.
  ::syscall(SYS_execve, "/proc/self/exe", argv, with_settings);
}

}  // namespace

__attribute__((section(".preinit_array"),
               used)) void (*const kSetUpLibraries)(int, char**, char**) = &SetUpLibraries;
