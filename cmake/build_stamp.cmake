# Run at every build (cmake -P): writes build_stamp.h anew only where it would differ, so that nothing is compiled
# again while the commit stays. Takes SOURCE, TEMPLATE and OUTPUT beside what the template names.
execute_process(COMMAND git -c "safe.directory=${SOURCE}" -C "${SOURCE}" describe --always --dirty --match "v[0-9]*"
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit "unknown commit")
endif()
configure_file("${TEMPLATE}" "${OUTPUT}" @ONLY)
