# The CUDA compiler, where there is one: LATHE_CUDA. Kernels are C++17: CMake 3.25 knows no newer
# dialect of it.
set(LATHE_CUDA_ARCHITECTURES "80;90" CACHE STRING "Compute capabilities that kernels are built for")
include(CheckLanguage)
check_language(CUDA)
if(CMAKE_CUDA_COMPILER AND NOT LATHE_SANITIZE)
  set(CMAKE_CUDA_STANDARD 17)
  set(CMAKE_CUDA_ARCHITECTURES ${LATHE_CUDA_ARCHITECTURES})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
  enable_language(CUDA)
  set(CMAKE_CUDA_FLAGS_RELEASE "-O3")
  set(LATHE_CUDA ON)
endif()
if(LATHE_REQUIRE_CUDA AND NOT (LATHE_CUDA AND LATHE_TORCH_CUDA))
  message(FATAL_ERROR "A trainer for GPUs needs a CUDA compiler (found: ${CMAKE_CUDA_COMPILER}) and "
    "a CUDA build of torch (found: ${LATHE_TORCH_ROOT}); give them with -DCMAKE_CUDA_COMPILER=FILE "
    "and -DLATHE_TORCH_ROOT=DIR")
endif()
