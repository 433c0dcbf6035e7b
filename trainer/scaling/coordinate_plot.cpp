#include "trainer/scaling/coordinate_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace sextant::trainer {
namespace {

constexpr double kPanel = 260, kMargin = 48;  // pixels

// Where numbers lie in a panel: logarithmic on both axes, y upwards.
struct Frame {
  double left, x_first, x_last, y_first, y_last;

  double x(double width) const {
    return left + kPanel * (std::log2(width) - x_first) / std::max(1e-9, x_last - x_first);
  }
  double y(double value) const {
    return kMargin + kPanel * (1 - (std::log2(value) - y_first) / std::max(1e-9, y_last - y_first));
  }
};

std::set<int64_t> widths_of(const std::vector<Coordinate>& coordinates) {
  std::set<int64_t> widths;
  for (const Coordinate& each : coordinates) widths.insert(each.width);
  return widths;
}

int64_t last_update(const std::vector<Coordinate>& coordinates) {
  int64_t last = 0;
  for (const Coordinate& each : coordinates) last = std::max(last, each.updates);
  return last;
}

bool is_drawn(const Coordinate& each) {
  return each.updates > 0 && each.change > 0 && std::isfinite(each.change);
}

// One frame for all panels, so that they can be compared; its y axis ends at powers of two.
Frame frame_of(const std::vector<Coordinate>& coordinates) {
  std::set<int64_t> widths = widths_of(coordinates);
  double lowest = 0, highest = 1;
  bool first = true;
  for (const Coordinate& each : coordinates) {
    if (!is_drawn(each)) continue;
    double value = std::log2(each.change);
    lowest = first ? value : std::min(lowest, value);
    highest = first ? value : std::max(highest, value);
    first = false;
  }
  return {kMargin, std::log2(static_cast<double>(*widths.begin())),
          std::log2(static_cast<double>(*widths.rbegin())), std::floor(lowest), std::ceil(highest)};
}

std::string escaped(const std::string& text) {
  std::string safe;
  for (char c : text) {
    if (c == '<') {
      safe += "&lt;";
    } else if (c == '&') {
      safe += "&amp;";
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string text_at(double x, double y, const std::string& anchor, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     escaped(text));
}

std::string axes(const Frame& frame, const std::vector<Coordinate>& coordinates) {
  std::string drawn = fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"none\" stroke=\"#888\"/>\n",
      frame.left, kMargin, kPanel, kPanel);
  for (int64_t width : widths_of(coordinates)) {
    drawn += text_at(frame.x(static_cast<double>(width)), kMargin + kPanel + 16, "middle",
                     fmt::format("{}", width));
  }
  for (int64_t power = std::llround(frame.y_first); power <= std::llround(frame.y_last); ++power) {
    double value = std::exp2(static_cast<double>(power));
    drawn += text_at(frame.left - 4, frame.y(value) + 4, "end", fmt::format("{:.3g}", value));
  }
  return drawn;
}

std::string line_of(const Frame& frame, const std::vector<Coordinate>& coordinates, const std::string& place,
                    int64_t updates, int64_t last) {
  std::string points;
  for (const Coordinate& each : coordinates) {
    if (each.place != place || each.updates != updates || !is_drawn(each)) continue;
    points += fmt::format("{:.1f},{:.1f} ", frame.x(static_cast<double>(each.width)), frame.y(each.change));
  }
  // Later updates are darker.
  int64_t light = 75 - 45 * updates / last;
  return fmt::format(
      "<polyline points=\"{}\" fill=\"none\" stroke=\"hsl(215,70%,{}%)\" stroke-width=\"2\"/>\n", points,
      light);
}

}  // namespace

std::string coordinates_csv(const std::vector<Coordinate>& coordinates) {
  std::string lines = "width,updates,place,size,change\n";
  for (const Coordinate& each : coordinates) {
    lines += fmt::format("{},{},{},{:.17g},{:.17g}\n", each.width, each.updates, each.place, each.size,
                         each.change);
  }
  return lines;
}

std::string coordinates_svg(const std::vector<Coordinate>& coordinates, const std::string& title) {
  std::vector<std::string> places = places_of(coordinates);
  Frame frame = frame_of(coordinates);
  int64_t last = last_update(coordinates);
  double width = kMargin + (kPanel + kMargin) * static_cast<double>(places.size()),
         height = kPanel + 2 * kMargin;
  std::string drawn = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0f}\" height=\"{:.0f}\" "
      "font-family=\"sans-serif\" "
      "font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      width, height);
  drawn += text_at(kMargin, 16, "start", title);
  for (const std::string& place : places) {
    drawn += axes(frame, coordinates);
    drawn += text_at(frame.left + kPanel / 2, kMargin - 8, "middle",
                     fmt::format("{}: width^{:.2f}", place, growth(coordinates, place, last)));
    for (int64_t updates = 1; updates <= last; ++updates) {
      drawn += line_of(frame, coordinates, place, updates, last);
    }
    frame.left += kPanel + kMargin;
  }
  return drawn + "</svg>\n";
}

std::string coordinates_table(const std::vector<Coordinate>& coordinates) {
  int64_t last = last_update(coordinates);
  std::string table = fmt::format("mean |change| after {} updates, by width\n{:<12}", last, "");
  for (int64_t width : widths_of(coordinates)) table += fmt::format("{:>12}", width);
  table += fmt::format("{:>12}\n", "grows as");
  for (const std::string& place : places_of(coordinates)) {
    table += fmt::format("{:<12}", place);
    for (const Coordinate& each : coordinates) {
      if (each.place == place && each.updates == last) table += fmt::format("{:>12.4g}", each.change);
    }
    table += fmt::format("{:>12}\n", fmt::format("width^{:.2f}", growth(coordinates, place, last)));
  }
  return table;
}

}  // namespace sextant::trainer
