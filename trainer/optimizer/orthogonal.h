#pragma once

#include <ATen/core/Tensor.h>

namespace sextant::trainer {

// The nearest half-orthogonal matrix, about: U S' V^T of U S V^T with singular values S' between 0.7 and 1.2,
// by five Newton-Schulz steps of the quintic 3.4445 x - 4.7750 x^3 + 2.0315 x^5 (Jordan et al. 2024, "Muon"),
// after division by the Frobenius norm. matrices [..., out, in], each by itself, in their own type; zero
// stays zero.
at::Tensor orthogonalised(const at::Tensor& matrices);

}  // namespace sextant::trainer
