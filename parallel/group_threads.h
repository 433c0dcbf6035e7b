#pragma once

#include <functional>
#include <memory>

#include "parallel/group.h"
#include "parallel/watchdog.h"

namespace sextant::parallel {

// Runs `body` on n ranks that are threads of this process, each with the world group of all of them, and
// returns when every one has ended. When a rank throws, every verb that others wait in throws too, and the
// first exception comes out of here. Sums are taken in the order of ranks: the result is the same bits every
// time.
//
// The process's intra-op threads are shared out: each rank gets its part, at least one. CPU tensors only: a
// CPU backward runs on the thread that called it, a CUDA one does not.
//
// Without a watchdog, a verb that takes 600 s throws in the ranks that wait, with the missing ranks' numbers.
void run_ranks(int64_t n, const std::function<void(Group& world)>& body,
               std::shared_ptr<Watchdog> watchdog = nullptr);

}  // namespace sextant::parallel
