#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainer/config/complaint.h"
#include "trainer/evaluation/eval.pb.h"

namespace sextant::trainer {

// Exams out of results_of's numbers: each section's points are its task's metric times what the section is
// worth (results with the section as "group"), and "total" is their sum; "out_of" beside both. Sections are
// independent, so the total's standard error is the root of the sum of their squares. Adds to `results`; a
// section whose task has no such metric has the value null, and so has the total.
void add_exams(const EvalSettings& settings, nlohmann::ordered_json& results);

// The exams among results as score tables for a terminal; "" without any.
std::string exam_tables(const nlohmann::ordered_json& results);

// What is wrong with the exams of an evaluation.
std::vector<Complaint> exam_complaints(const EvalSettings& settings);

}  // namespace sextant::trainer
