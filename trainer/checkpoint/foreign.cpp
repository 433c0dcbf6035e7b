#include "trainer/checkpoint/foreign.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <set>

#include "parallel/base/error.h"
#include "trainer/checkpoint/box.h"
#include "trainer/model/transformer.h"

namespace sextant::trainer {
namespace {

using Shape = std::vector<int64_t>;

// Rows of a head in pairs (0, 1), (2, 3) ... back to (0, D/2), (1, D/2 + 1) ...
at::Tensor unturned(const at::Tensor& rows, int64_t heads) {
  Shape shape = rows.sizes().vec();
  int64_t half = shape[0] / heads / 2;
  at::Tensor pairs = rows.reshape({heads, half, 2, -1});  // [H, D/2, 2, C]
  return pairs.transpose(1, 2).reshape(shape);
}

// One parameter's rows out of a tensor that may hold several.
at::Tensor part_of(at::Tensor whole, Lying lying, int64_t heads, int64_t first_row, const Shape& shape) {
  if (lying == Lying::kTransposed && whole.dim() == 2) whole = whole.t();
  whole = whole.narrow(0, first_row, shape[0]);
  if (lying == Lying::kRotaryTurned) whole = unturned(whole, heads);
  return whole.contiguous();
}

// The shape that a tensor must have to hold the parameters.
Shape wanted_shape(const Correspondence& place, const std::map<std::string, Shape>& ours) {
  Shape shape = ours.at(place.names[0]);
  if (place.layer_of_stack >= 0) shape.erase(shape.begin());
  for (size_t i = 1; i < place.names.size(); ++i) shape[0] += ours.at(place.names[i])[0];
  if (place.lying == Lying::kTransposed && shape.size() == 2) std::swap(shape[0], shape[1]);
  return shape;
}

// A parameter whose matrices are tensors of their own.
ForeignWeight stack_of(const std::string& name, const Shape& shape,
                       const std::vector<ForeignTensor>& layers) {
  expect(static_cast<int64_t>(layers.size()) == shape[0], "each matrix of a stack has its tensor");
  auto read = [layers, shape] {
    at::Tensor whole = at::empty(shape, at::TensorOptions(layers[0].type));
    for (size_t i = 0; i < layers.size(); ++i) whole[static_cast<int64_t>(i)].copy_(layers[i].read());
    return whole;
  };
  return {name, shape, layers[0].type, read};
}

void refuse_left_over(const std::map<std::string, ForeignTensor>& tensors, const std::set<std::string>& used,
                      const std::function<bool(const std::string&)>& is_ignored, const std::string& origin) {
  for (const auto& [key, tensor] : tensors) {
    if (used.contains(key) || is_ignored(key)) continue;
    fail_input(
        fmt::format("{}: holds a tensor '{}' of shape {} that a model of this kind and size has not; do "
                    "the weights and the settings belong together?",
                    origin, key, shape_text(tensor.shape)));
  }
}

}  // namespace

std::vector<ForeignWeight> match_weights(const ModelSettings& settings,
                                         const std::vector<Correspondence>& correspondences,
                                         const std::map<std::string, ForeignTensor>& tensors,
                                         const std::function<bool(const std::string&)>& is_ignored,
                                         const std::string& origin) {
  auto parameters = parameter_shapes(settings);
  std::map<std::string, Shape> ours(parameters.begin(), parameters.end());
  std::map<std::string, ForeignWeight> found;
  std::set<std::string> used;
  std::map<std::string, std::vector<ForeignTensor>> stacks;
  for (const Correspondence& place : correspondences) {
    auto tensor = tensors.find(place.key);
    if (tensor == tensors.end()) {
      fail_input(
          fmt::format("{}: holds no tensor '{}', which the model has by its settings; is a file of it "
                      "missing?",
                      origin, place.key));
    }
    Shape wanted = wanted_shape(place, ours);
    if (tensor->second.shape != wanted) {
      fail_input(fmt::format("{}: tensor '{}' has the shape {}, but by the model's settings it is {}", origin,
                             place.key, shape_text(tensor->second.shape), shape_text(wanted)));
    }
    used.insert(place.key);
    if (place.layer_of_stack >= 0) {
      stacks[place.names[0]].push_back(tensor->second);
      continue;
    }
    int64_t row = 0;
    for (const std::string& name : place.names) {
      const Shape& shape = ours.at(name);
      found[name] = {name, shape, tensor->second.type,
                     [read = tensor->second.read, lying = place.lying, heads = place.heads, row, shape] {
                       return part_of(read(), lying, heads, row, shape);
                     }};
      row += shape[0];
    }
  }
  for (const auto& [name, layers] : stacks) found[name] = stack_of(name, ours.at(name), layers);
  refuse_left_over(tensors, used, is_ignored, origin);
  std::vector<ForeignWeight> weights;
  for (const auto& [name, shape] : parameters) {
    expect(found.contains(name), "every parameter has its place in the other program's files");
    weights.push_back(std::move(found.at(name)));
  }
  return weights;
}

std::vector<std::pair<std::string, Shape>> parameter_shapes(const ModelSettings& settings) {
  Transformer shapes(settings, NumericsSettings::none, {}, at::Device(at::kMeta));
  std::vector<std::pair<std::string, Shape>> parameters;
  for (const auto& parameter : shapes.parameters())
    parameters.emplace_back(parameter->name, parameter->shape);
  return parameters;
}

}  // namespace sextant::trainer
