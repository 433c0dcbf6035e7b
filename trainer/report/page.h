#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace sextant::trainer {

// One HTML file that holds everything: style, scripts, the plotting library and the report as JSON. It asks
// for nothing over the network, and its policy forbids the browser to; no text of the report can become
// markup or code: in the file every "<" of it is written as an escape, and only scripts of these digests run.
std::string page_of(const nlohmann::ordered_json& report);

// Text as it may stand between <script type="application/json"> and </script>.
std::string json_in_html(const nlohmann::ordered_json& json);

}  // namespace sextant::trainer
