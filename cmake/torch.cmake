# libtorch out of the PyPI wheel that launch/setup.sh puts into .venv (or SEXTANT_TORCH, a folder `torch`).
#
# The wheel carries headers of another protobuf; -idirafter keeps the system's in front of them.
file(GLOB found_torch "${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
set(SEXTANT_TORCH "${found_torch}" CACHE PATH "the torch folder of the PyPI wheel, version 2.11.0")
if(NOT EXISTS "${SEXTANT_TORCH}/include/ATen/ATen.h")
  message(FATAL_ERROR "libtorch is not at '${SEXTANT_TORCH}': run launch/setup.sh, or set SEXTANT_TORCH")
endif()

add_library(sextant_torch INTERFACE)
if(SEXTANT_CUDA)
  # find_package(Torch) knows which CUDA libraries the wheel was built against.
  list(APPEND CMAKE_PREFIX_PATH "${SEXTANT_TORCH}/share/cmake")
  find_package(Torch 2.11 REQUIRED)
  foreach(target torch torch_cpu torch_cuda torch_library c10 c10_cuda torch::nvtoolsext)
    if(TARGET ${target})
      set_property(TARGET ${target} PROPERTY INTERFACE_INCLUDE_DIRECTORIES "")
    endif()
  endforeach()
  find_package(CUDAToolkit REQUIRED)
  find_library(SEXTANT_NCCL nccl HINTS ${CUDAToolkit_LIBRARY_DIR} REQUIRED)
  target_link_libraries(sextant_torch INTERFACE torch torch_cuda c10_cuda c10 CUDA::cudart "${SEXTANT_NCCL}")
  target_include_directories(sextant_torch SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS})
  # The wheel's CUDA libraries themselves need cuDNN, cuSPARSELt, NVSHMEM and more, which come with a full PyTorch on the
  # machine with the GPU; a machine that only builds can do without them.
  target_link_options(sextant_torch INTERFACE "-Wl,--allow-shlib-undefined")
else()
  target_link_libraries(sextant_torch INTERFACE "${SEXTANT_TORCH}/lib/libtorch_cpu.so" "${SEXTANT_TORCH}/lib/libc10.so")
endif()
target_compile_options(sextant_torch INTERFACE
  "SHELL:-idirafter ${SEXTANT_TORCH}/include" "SHELL:-idirafter ${SEXTANT_TORCH}/include/torch/csrc/api/include")
# libtorch_cpu.so itself needs libcupti and libcudart, which the wheels nvidia-cuda-* bring beside it.
file(GLOB wheel_cuda_folders "${SEXTANT_TORCH}/../nvidia/*/lib")
target_link_options(sextant_torch INTERFACE "-Wl,-rpath,${SEXTANT_TORCH}/lib")
foreach(folder ${wheel_cuda_folders})
  target_link_options(sextant_torch INTERFACE "-Wl,-rpath-link,${folder}" "-Wl,-rpath,${folder}")
endforeach()
