// What nearly every file of parallel and trainer includes; parsing it once saves 10 s a file.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>
