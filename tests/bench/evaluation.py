#!/usr/bin/env python3
"""Multiple choice: `sextant eval` against lm-evaluation-harness, in turn, several times.

    .venv-bench/bin/python tests/bench/evaluation.py CHECKPOINT DATA [--items 200] [--rounds 3] [--batches 1,8,32]

CHECKPOINT is one of ours, such as SmolLM2-135M (docs/models.md); the harness gets it as `checkpoint export` writes it.
DATA is a folder with arc_easy_test.jsonl and piqa_val.jsonl, whose lines are as configs/evals/arc_query.yaml and piqa.yaml
say. Both sides ask the first items the same way, in fp32 on all cores, a task at a time. Models being loaded, items a second
are of a whole evaluation with scores and records; for the harness with the fastest of the batch sizes, tried first. Accuracies must be
equal and every option's log-likelihood the same within 1e-3, else the exit code is 1. The time from start to the first
item is that of a whole process which evaluates one.
"""
import argparse
import json
import logging
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

root = pathlib.Path(__file__).resolve().parents[2]
sextant = root / "build/cpu/sextant"
tasks = {
    "arc_easy": {"data": "arc_easy_test.jsonl", "prompt": "{{query}}\\nAnswer:", "ours": "choices_field: choices",
                 "theirs": "{{choices}}", "gold": "{{gold}}"},
    "piqa": {"data": "piqa_val.jsonl", "prompt": "Question: {{goal}}\\nAnswer:", "ours": 'choices: ["{{sol1}}", "{{sol2}}"]',
             "theirs": "{{[sol1, sol2]}}", "gold": "{{label}}"},
}


def ours(options, folder, items, name):
    """Items a second, seconds of the process, accuracies, and the log-likelihoods of all options by item."""
    task = tasks[name]
    text = (f"eval:\n  checkpoint: {options.checkpoint}\n  data_folder: {options.data}\n  folder: {folder}\n"
            f"  limit: {items}\n  resamples: 0\n  tasks:\n"
            f"    - name: {name}\n      kind: multiple_choice\n      data: {task['data']}\n"
            f"      prompt: \"{task['prompt']}\"\n      {task['ours']}\n      gold: \"{task['gold']}\"\n")
    file = folder.with_suffix(".yaml")
    file.write_text(text)
    begin = time.monotonic()
    done = subprocess.run([sextant, "eval", file], capture_output=True, text=True)
    seconds = time.monotonic() - begin
    if done.returncode != 0:
        sys.exit(f"sextant eval: {done.stderr}")
    speed = float(re.findall(r"of \d+ items, ([0-9.]+) a second", done.stdout)[-1])
    accuracy = {r["metric"]: r["value"] for r in json.loads((folder / "results.json").read_text())
                if r["metric"] in ("acc", "acc_norm") and "group" not in r}
    likelihoods = {}
    for line in (folder / "samples.jsonl").read_text().splitlines():
        record = json.loads(line)
        likelihoods[record["index"]] = [option["log_likelihood"] for option in record["options"]]
    return speed, seconds, accuracy, likelihoods


class Harness:
    """lm-evaluation-harness with its model loaded, as its own Python interface runs it."""

    def __init__(self, folder, options):
        os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TQDM_DISABLE="1",
                          HF_DATASETS_DISABLE_PROGRESS_BARS="1")
        logging.disable(logging.WARNING)
        import lm_eval.models.huggingface
        import lm_eval.tasks
        self.options = options
        self.model = lm_eval.models.huggingface.HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=1)
        for name, task in tasks.items():
            yaml = (f"task: bench_{name}\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: {options.data}/{task['data']}\n"
                    f"test_split: test\noutput_type: multiple_choice\ndoc_to_text: \"{task['prompt']}\"\n"
                    f"doc_to_choice: \"{task['theirs']}\"\ndoc_to_target: \"{task['gold']}\"\n"
                    "metric_list:\n  - metric: acc\n  - metric: acc_norm\n")
            (folder.parent / f"{name}.yaml").write_text(yaml)
        manager = lm_eval.tasks.TaskManager(include_path=str(folder.parent), include_defaults=False)
        self.tasks = {name: lm_eval.tasks.get_task_dict([f"bench_{name}"], manager) for name in tasks}

    def evaluate(self, items, batch, name):
        import lm_eval.evaluator
        self.model.batch_size_per_gpu = batch
        begin = time.monotonic()
        result = lm_eval.evaluator.evaluate(lm=self.model, task_dict=self.tasks[name], limit=items, bootstrap_iters=0,
                                            log_samples=True)
        seconds = time.monotonic() - begin
        accuracy = {metric: result["results"][f"bench_{name}"][f"{metric},none"] for metric in ("acc", "acc_norm")}
        likelihoods = {sample["doc_id"]: [float(answer[0]) for answer in sample["filtered_resps"]]
                       for sample in result["samples"][f"bench_{name}"]}
        return len(likelihoods) / seconds, accuracy, likelihoods


def compare(options, harness, scratch, name):
    """Prints one task's figures; whether both say the same of it."""
    few = max(1, min(40, options.items))
    tried = {int(batch): harness.evaluate(few, int(batch), name)[0] for batch in options.batches.split(",")}
    batch = max(tried, key=tried.get)
    print(f"{name}: lm-evaluation-harness, items a second by batch size: " +
          ", ".join(f"{size}: {speed:.2f}" for size, speed in tried.items()), flush=True)
    mine, theirs = [], []
    for number in range(options.rounds):
        speed, _, accuracy, likelihoods = ours(options, scratch / f"{name}{number}", options.items, name)
        peer, peer_accuracy, peer_likelihoods = harness.evaluate(options.items, batch, name)
        mine.append(speed)
        theirs.append(peer)
    assert likelihoods.keys() == peer_likelihoods.keys(), "not the same items"
    worst = max(abs(a - b) for item in likelihoods for a, b in zip(likelihoods[item], peer_likelihoods[item], strict=True))
    for metric, value in accuracy.items():
        print(f"{name} {metric}: ours {value:.4f}, theirs {peer_accuracy[metric]:.4f}")
    print(f"{name}: log-likelihoods of {len(likelihoods)} items are {worst:.2g} apart at most")
    print(f"{name}: items a second: ours {spread(mine)}, theirs {spread(theirs)} at batch {batch}; "
          f"ratio {spread([a / b for a, b in zip(mine, theirs)])}", flush=True)
    return worst < 1e-3 and all(abs(value - peer_accuracy[metric]) < 1e-9 for metric, value in accuracy.items())


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("data", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--items", type=int, default=200, help="of each task")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", default="1,8,32", help="sizes that the harness is tried with")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        starts = [ours(options, scratch / f"start{i}", 1, "piqa")[1] for i in range(options.rounds)]
        print(f"start to the end of one item: {spread(starts)} s", flush=True)
        subprocess.run([sextant, "checkpoint", "export", options.checkpoint, "--output", scratch / "model"], check=True,
                       stdout=subprocess.DEVNULL)
        harness = Harness(scratch / "model", options)
        equal = [compare(options, harness, scratch, name) for name in tasks]
    sys.exit(0 if all(equal) else 1)


main()
