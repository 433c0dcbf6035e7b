#include "tests/fuzz/allocation.h"
#include "tests/fuzz/target.h"

// libFuzzer's entry: one program a target (FUZZ_TARGET), so that each has a corpus of its own.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  sextant::fuzz::AllocationMeter meter;
  sextant::fuzz::run(FUZZ_TARGET, {bytes, size});
  meter.check(size);
  return 0;
}
