# libtorch from a Python wheel, found without importing it (importing costs seconds).
# Gives lathe::torch, and LATHE_TORCH_CUDA where the wheel is a CUDA one.
if(NOT LATHE_TORCH_ROOT)
  set(cache_home $ENV{XDG_CACHE_HOME})
  if(NOT cache_home)
    set(cache_home $ENV{HOME}/.cache)
  endif()
  file(GLOB candidates ${cache_home}/lathe/torch/lib/python3*/site-packages/torch)
  if(candidates)
    list(GET candidates 0 LATHE_TORCH_ROOT)
  else()
    execute_process(
      COMMAND python3 -c "import importlib.util as u, os; print(os.path.dirname(u.find_spec('torch').origin))"
      OUTPUT_VARIABLE LATHE_TORCH_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
if(NOT EXISTS ${LATHE_TORCH_ROOT}/include/ATen/ATen.h)
  message(FATAL_ERROR "No torch wheel found. Run deploy/setup, or give its folder with "
                      "-DLATHE_TORCH_ROOT=DIR, or build without it: -DLATHE_BUILD_TRAINER=OFF")
endif()
message(STATUS "torch: ${LATHE_TORCH_ROOT}")

add_library(lathe_torch INTERFACE)
add_library(lathe::torch ALIAS lathe_torch)
# -idirafter: the wheel carries its own old copies of other libraries' headers (protobuf, fmt).
target_compile_options(lathe_torch INTERFACE
  "SHELL:-idirafter ${LATHE_TORCH_ROOT}/include"
  "SHELL:-idirafter ${LATHE_TORCH_ROOT}/include/torch/csrc/api/include")
# Headers pull in only the operators they use.
target_compile_definitions(lathe_torch INTERFACE AT_PER_OPERATOR_HEADERS)
target_link_directories(lathe_torch INTERFACE ${LATHE_TORCH_ROOT}/lib)
set(libraries torch torch_cpu c10)
if(EXISTS ${LATHE_TORCH_ROOT}/include/c10/cuda/impl/cuda_cmake_macros.h)
  set(LATHE_TORCH_CUDA ON)
  # Nothing refers to these two by name: linking them registers the CUDA back end.
  list(APPEND libraries torch_cuda c10_cuda)
endif()
# One group: CMake drops a linker flag that it has seen before.
target_link_libraries(lathe_torch INTERFACE -Wl,--no-as-needed ${libraries} -Wl,--as-needed)
# For those who use ATen/Parallel.h (see lathe_parallel).
target_link_libraries(lathe_torch INTERFACE gomp)
target_link_options(lathe_torch INTERFACE
  -Wl,-rpath,${LATHE_TORCH_ROOT}/lib -Wl,--allow-shlib-undefined)

# lathe_parallel(SOURCE ...): sources that call at::parallel_for, which without OpenMP is a plain
# loop and says nothing. For the thread sanitizer they get one on std::thread.
function(lathe_parallel)
  set(option -fopenmp)
  if(LATHE_SANITIZE MATCHES thread)
    set(option -I${PROJECT_SOURCE_DIR}/tests/support/std_threads)
  endif()
  set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS ${option})
endfunction()
