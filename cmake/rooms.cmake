# room(NAME LINKS libraries... [PRECOMPILED]): one static library of every source and message in a room.
#
# A backend that is absent is another source beside the real one: X_absent.cpp stands in for X.cpp where
# SEXTANT_CUDA is off. What the real one stands on is named cuda_*.cpp or nccl_*.cpp and is left out with it.
# X_traced.cpp stands in for X.cpp under ThreadSanitizer.
# PRECOMPILED rooms share one precompiled header of ATen, which costs 10 s a file else.
add_library(sextant_warnings INTERFACE)
target_compile_options(sextant_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Werror)

add_library(sextant_sanitize INTERFACE)
if(SEXTANT_SANITIZE)
  # g++ 12 takes the library's own members (std::regex) for uninitialized in what a sanitizer has rewritten.
  # UndefinedBehaviorSanitizer would only print what it finds, and the test would pass.
  target_compile_options(sextant_sanitize INTERFACE "-fsanitize=${SEXTANT_SANITIZE}" -fno-sanitize-recover=all
                         -fno-omit-frame-pointer
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(sextant_sanitize INTERFACE "-fsanitize=${SEXTANT_SANITIZE}")
endif()

# The classes that protoc makes of a room's messages, as a library of their own: warnings in them are not ours.
function(room_messages target)
  add_library(${target}_messages STATIC ${ARGN})
  protobuf_generate(TARGET ${target}_messages LANGUAGE cpp IMPORT_DIRS "${CMAKE_SOURCE_DIR}"
                    PROTOC_OUT_DIR "${CMAKE_BINARY_DIR}")
  target_include_directories(${target}_messages PUBLIC "${CMAKE_BINARY_DIR}")
  target_link_libraries(${target}_messages PUBLIC protobuf::libprotobuf sextant_sanitize)
  foreach(to_the_left sextant_parallel sextant_data sextant_trainer sextant_rlhf)
    if(to_the_left STREQUAL target)
      break()
    endif()
    target_link_libraries(${target}_messages PUBLIC ${to_the_left}_messages)
    add_dependencies(${target}_messages ${to_the_left}_messages)
  endforeach()
  target_link_libraries(${target} PUBLIC ${target}_messages)
endfunction()

# Kernels in a folder simd/ are compiled once per instruction set, each time into a namespace of its own; which one
# runs is chosen by the program (trainer/kernels/instruction_set). Their sources know neither the precompiled header nor
# libtorch: see trainer/kernels/simd/lanes.h. A processor without AVX gets the same text three times. What is in a folder
# amx/ is compiled once, for the tile unit; where there can be none, no_amx/ stands in.
function(simd_variants target)
  set(features_avx2 -mavx2 -mfma -mf16c)
  set(features_avx512 ${features_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
  # g++ 12 takes the undefined lanes in its own AVX-512 headers for ours.
  set(features_amx ${features_avx512} -mavx512bf16 -mamx-tile -mamx-bf16 -Wno-uninitialized -Wno-maybe-uninitialized)
  set(amx_folder amx)
  if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(features_avx2)
    set(features_avx512)
    set(features_amx)
    set(amx_folder no_amx)
  endif()
  foreach(variant "plain;4;simd" "avx2;8;simd" "avx512;16;simd" "amx;16;${amx_folder}")
    list(GET variant 0 simd)
    list(GET variant 1 lanes)
    list(GET variant 2 folder)
    set(sources ${ARGN})
    list(FILTER sources INCLUDE REGEX "/${folder}/[^/]*\\.cpp$")
    set(objects ${target}_${simd})
    add_library(${objects} OBJECT ${sources})
    target_include_directories(${objects} PRIVATE "${CMAKE_SOURCE_DIR}")
    target_link_libraries(${objects} PRIVATE sextant_sanitize sextant_warnings)
    target_compile_definitions(${objects} PRIVATE SEXTANT_SIMD=${simd} SEXTANT_LANES=${lanes})
    target_compile_options(${objects} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O3> -fno-math-errno -fno-trapping-math
                           -ffp-contract=fast ${features_${simd}})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
  endforeach()
endfunction()

function(room name)
  cmake_parse_arguments(ROOM "PRECOMPILED" "" "LINKS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${name}/*.cpp")
  file(GLOB_RECURSE messages CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${name}/*.proto")
  file(GLOB_RECURSE absent CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${name}/*_absent.cpp")
  foreach(stand_in ${absent})
    string(REPLACE "_absent.cpp" ".cpp" real "${stand_in}")
    if(SEXTANT_CUDA)
      list(REMOVE_ITEM sources "${stand_in}")
    else()
      list(REMOVE_ITEM sources "${real}")
    endif()
  endforeach()

  file(GLOB_RECURSE traced CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${name}/*_traced.cpp")
  foreach(stand_in ${traced})
    string(REPLACE "_traced.cpp" ".cpp" real "${stand_in}")
    if(SEXTANT_SANITIZE STREQUAL "thread")
      list(REMOVE_ITEM sources "${real}")
    else()
      list(REMOVE_ITEM sources "${stand_in}")
    endif()
  endforeach()

  if(NOT SEXTANT_CUDA)
    list(FILTER sources EXCLUDE REGEX "/(cuda|nccl)_[^/]*\\.cpp$")
  endif()

  list(REMOVE_ITEM sources "${CMAKE_SOURCE_DIR}/${name}/main.cpp")
  set(simd_sources ${sources})
  list(FILTER simd_sources INCLUDE REGEX "/(simd|amx|no_amx)/[^/]*\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "/(simd|amx|no_amx)/[^/]*\\.cpp$")

  set(target sextant_${name})
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${target} PUBLIC ${ROOM_LINKS} sextant_sanitize PRIVATE sextant_warnings)
  if(simd_sources)
    simd_variants(${target} ${simd_sources})
  endif()
  if(messages)
    room_messages(${target} ${messages})
  endif()
  # What every source pays for its headers, and for the templates that these leave to be instantiated, a batch pays once.
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${SEXTANT_UNITY} UNITY_BUILD_BATCH_SIZE 16)
  if(ROOM_PRECOMPILED)
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
    if(NOT TARGET sextant_precompiled)
      if(NOT EXISTS "${CMAKE_BINARY_DIR}/precompiled.cpp")
        file(WRITE "${CMAKE_BINARY_DIR}/precompiled.cpp" "")
      endif()
      add_library(sextant_precompiled OBJECT "${CMAKE_BINARY_DIR}/precompiled.cpp")
      target_link_libraries(sextant_precompiled PRIVATE ${ROOM_LINKS} sextant_sanitize sextant_warnings)
      target_compile_options(sextant_precompiled PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
      target_precompile_headers(sextant_precompiled PRIVATE "${CMAKE_SOURCE_DIR}/cmake/precompiled.h")
    endif()
    target_precompile_headers(${target} REUSE_FROM sextant_precompiled)
  endif()
endfunction()

# build_stamp.h for `sextant --version`: configured here, its commit refreshed by every build. Called after the
# libraries have been found.
function(build_stamp)
  set(accelerator "none (CPU build)")
  if(SEXTANT_CUDA)
    set(accelerator "CUDA ${CUDAToolkit_VERSION} and NCCL")
  endif()
  set(build_type "${CMAKE_BUILD_TYPE}")
  if(SEXTANT_SANITIZE)
    string(APPEND build_type " with -fsanitize=${SEXTANT_SANITIZE}")
  endif()
  set(header "${CMAKE_BINARY_DIR}/stamp/build_stamp.h")
  add_custom_target(refresh_build_stamp BYPRODUCTS "${header}" VERBATIM COMMENT "Refreshing the version stamp"
    COMMAND "${CMAKE_COMMAND}" "-DSOURCE=${CMAKE_SOURCE_DIR}" "-DOUTPUT=${header}"
    "-DTEMPLATE=${CMAKE_SOURCE_DIR}/cmake/build_stamp.h.in" "-Dversion=${PROJECT_VERSION}"
    "-Dbuild_type=${build_type}" "-Dcompiler=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
    "-Dyaml=${yaml-cpp_VERSION}" "-Daccelerator=${accelerator}" -P "${CMAKE_SOURCE_DIR}/cmake/build_stamp.cmake")
  add_library(sextant_build_stamp INTERFACE)
  add_dependencies(sextant_build_stamp refresh_build_stamp)
  target_include_directories(sextant_build_stamp INTERFACE "${CMAKE_BINARY_DIR}/stamp")
endfunction()
