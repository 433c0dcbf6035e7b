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
  # Not find_package(Torch): it replaces the system's protobuf by an empty target and wants a GPU's architecture. The
  # CUDA half of libtorch registers itself when it is loaded, so the linker must not drop it as unused.
  find_package(CUDAToolkit 13 REQUIRED)
  find_library(SEXTANT_NCCL nccl HINTS ${CUDAToolkit_LIBRARY_DIR} REQUIRED)
  target_link_libraries(sextant_torch INTERFACE "${SEXTANT_TORCH}/lib/libtorch_cpu.so"
    "-Wl,--push-state,--no-as-needed" "${SEXTANT_TORCH}/lib/libtorch_cuda.so" "-Wl,--pop-state"
    "${SEXTANT_TORCH}/lib/libc10_cuda.so" "${SEXTANT_TORCH}/lib/libc10.so" CUDA::cudart "${SEXTANT_NCCL}")
  target_include_directories(sextant_torch SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS})
  # The wheel's CUDA libraries themselves need cuDNN, cuSPARSELt, NVSHMEM and more, which come with a full PyTorch on the
  # machine with the GPU; a machine that only builds can do without them.
  target_link_options(sextant_torch INTERFACE "-Wl,--allow-shlib-undefined")
else()
  target_link_libraries(sextant_torch INTERFACE "${SEXTANT_TORCH}/lib/libtorch_cpu.so" "${SEXTANT_TORCH}/lib/libc10.so")
endif()
# The OpenMP runtime that libtorch uses, for our own shared loops (trainer/kernels/share_out): never a second one.
file(GLOB wheel_openmp "${SEXTANT_TORCH}/lib/libgomp*.so*" "${SEXTANT_TORCH}/../torch.libs/libgomp*.so*")
target_link_libraries(sextant_torch INTERFACE ${wheel_openmp})
target_compile_options(sextant_torch INTERFACE
  "SHELL:-idirafter ${SEXTANT_TORCH}/include" "SHELL:-idirafter ${SEXTANT_TORCH}/include/torch/csrc/api/include")
# libtorch_cpu.so itself needs libcupti and libcudart, which the wheels nvidia-cuda-* bring beside it.
file(GLOB wheel_cuda_folders "${SEXTANT_TORCH}/../nvidia/*/lib")
target_link_options(sextant_torch INTERFACE "-Wl,-rpath,${SEXTANT_TORCH}/lib")
foreach(folder ${wheel_cuda_folders})
  target_link_options(sextant_torch INTERFACE "-Wl,-rpath-link,${folder}" "-Wl,-rpath,${folder}")
endforeach()
