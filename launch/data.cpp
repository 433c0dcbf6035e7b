#include "launch/data.h"

#include "launch/commands.h"

namespace sextant::launch {

void add_data(CLI::App& app) {
  CLI::App* data =
      app.add_subcommand("data", "Turn documents into token shards, look at shards, look for evals in them.");
  data->require_subcommand(1);
  data->footer(
      "Example:\n"
      "  sextant data build --tokenizer tokenizer.json --output corpus/train books.jsonl.zst\n"
      "  sextant data inspect corpus/train --tokenizer tokenizer.json");
  add_data_build(*data);
  add_data_inspect(*data);
  add_data_contamination(*data);
}

}  // namespace sextant::launch
