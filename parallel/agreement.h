#pragma once

#include <functional>

#include "parallel/base/error.h"
#include "parallel/group.h"

namespace sextant::parallel {

// An error that every rank of a group knows of: all of them throw it, so one may report it and all may leave
// in good order. An Error that is not one of these is known to its own rank alone, and the others may be
// waiting for it.
class AgreedError : public Error {
 public:
  using Error::Error;
};

// Runs `work`, which must make no collectives of `group`, on every rank. When it throws an Error on any rank,
// all ranks throw the same AgreedError: the lowest such rank's, its rank named where others went well. All
// ranks must call.
void together(Group& group, const std::function<void()>& work);

// Runs `work`, which throws the same Error on every rank or on none, and lets it out as an AgreedError.
void alike(const std::function<void()>& work);

}  // namespace sextant::parallel
