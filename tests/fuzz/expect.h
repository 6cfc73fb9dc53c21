#pragma once
// What a fuzzer holds to be true of every input; one that breaks it is reported like a crash.

#include <cstdio>
#include <cstdlib>

#define LATHE_FUZZ_EXPECT(condition)                                                 \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                  \
    }                                                                                \
  } while (false)
