#pragma once

#include <string_view>

// Texts that CMake puts into the program (cmake/embed.cmake): the page's own files of this folder, and
// dygraphs from where the system has it.
namespace sextant::trainer::assets {

extern const std::string_view kPage;      // page.html, with a mark for each of the others
extern const std::string_view kStyle;     // page.css
extern const std::string_view kCharts;    // charts.js
extern const std::string_view kFindings;  // findings.js
extern const std::string_view kScript;    // page.js
extern const std::string_view kDygraphsScript;
extern const std::string_view kDygraphsStyle;
extern const std::string_view kDygraphsLicence;

}  // namespace sextant::trainer::assets
