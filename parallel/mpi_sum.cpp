#include "parallel/mpi_sum.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace sextant::parallel {
namespace {

// Tags; send and recv have 0. Of two sums under way the later one's second half may come first on some ranks,
// so that each has a tag of its own, up to so many at once (every MPI has tags up to 32767).
constexpr int kFirstHalf = 1, kSecondHalf = 2, kSumsApart = 30000;

// Sends sent[r] to each other rank r, whose own goes to received[r].
void exchange(Requests& started, const SumPlace& place, const std::vector<at::Tensor>& sent,
              const std::vector<at::Tensor>& received, int tag) {
  for (int r = 0; r < place.size; ++r) {
    if (r == place.rank.value()) continue;
    const at::Tensor &from = sent[static_cast<size_t>(r)], &to = received[static_cast<size_t>(r)];
    started.keep(from);
    started.keep(to);
    started.add("all_reduce", [&](MPI_Request* request) {
      return MPI_Irecv(to.data_ptr(), static_cast<int>(to.nbytes()), MPI_BYTE, r, tag, place.comm, request);
    });
    started.add("all_reduce", [&](MPI_Request* request) {
      return MPI_Isend(from.data_ptr(), static_cast<int>(from.nbytes()), MPI_BYTE, r, tag, place.comm,
                       request);
    });
  }
}

}  // namespace

void sum_by_parts(Requests& started, const SumPlace& place, const at::Tensor& numbers) {
  int64_t count = numbers.numel(), each = (count + place.size - 1) / place.size;
  std::vector<at::Tensor> parts, terms;  // of the numbers by rank; of this rank's part by rank
  for (int64_t r = 0; r < place.size; ++r) {
    int64_t begin = std::min(r * each, count);
    parts.push_back(numbers.narrow(0, begin, std::min(each, count - begin)));
  }
  at::Tensor own = parts[static_cast<size_t>(place.rank.value())];
  for (int64_t r = 0; r < place.size; ++r) {
    terms.push_back(r == place.rank.value() ? own : at::empty_like(own));
  }
  exchange(started, place, parts, terms, kFirstHalf);
  started.then([place, parts, terms, own](Requests& next) {
    const at::Tensor& sum = terms[0];
    at::Tensor result = own;
    for (size_t r = 1; r + 1 < terms.size(); ++r) sum.add_(terms[r]);
    at::add_out(result, sum, terms.back());
    exchange(next, place, std::vector<at::Tensor>(parts.size(), own), parts,
             kSecondHalf + static_cast<int>(place.sequence % kSumsApart));
  });
}

}  // namespace sextant::parallel
