# Texts inside of the program. Included, it gives embed(); run (cmake -P), it writes the source that holds one text.

# embed(TARGET NAMESPACE [NAME FILE]...): TARGET gets a constant std::string_view NAMESPACE::NAME with each file's text.
function(embed target namespace)
  set(files ${ARGN})
  while(files)
    list(POP_FRONT files name file)
    set(source "${CMAKE_BINARY_DIR}/embedded/${name}.cpp")
    add_custom_command(OUTPUT "${source}" DEPENDS "${file}" "${CMAKE_SOURCE_DIR}/cmake/embed.cmake" VERBATIM
      COMMAND "${CMAKE_COMMAND}" "-DFILE=${file}" "-DNAME=${name}" "-DNAMESPACE=${namespace}" "-DOUTPUT=${source}"
              -P "${CMAKE_SOURCE_DIR}/cmake/embed.cmake" COMMENT "Generating ${name} of ${file}")
    target_sources(${target} PRIVATE "${source}")
    set_source_files_properties("${source}" PROPERTIES SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)
  endwhile()
endfunction()

if(DEFINED OUTPUT)
  file(READ "${FILE}" text)
  # A browser's tools would ask for the map over the network.
  string(REGEX REPLACE "\n(//|/[*])# sourceMappingURL=[^\n]*" "" text "${text}")
  string(FIND "${text}" ")embedded\"" end)
  if(NOT end EQUAL -1)
    message(FATAL_ERROR "${FILE} holds what ends a raw string here")
  endif()
  file(WRITE "${OUTPUT}" "#include <string_view>\n\nnamespace ${NAMESPACE} {\nextern const std::string_view ${NAME};\n"
       "const std::string_view ${NAME} = R\"embedded(${text})embedded\";\n}  // namespace ${NAMESPACE}\n")
endif()
