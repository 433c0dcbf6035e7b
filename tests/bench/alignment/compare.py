#!/usr/bin/env python3
"""Steps of PPO and GRPO: `sextant ppo` and `sextant grpo` against TRL's trainers, in turn, several times.

    tests/bench/alignment/setup.sh        # TRL 1.2.0 (the last with a PPO trainer) and 1.16.0, beside .venv-bench
    .venv-bench/bin/python tests/bench/alignment/compare.py [ppo] [grpo] [--rounds 3] [--compute fp32]

The same model on both sides: SmolLM2-135M's shape and random weights, which next to never end an answer, so that all are
of full length; ours, exported as a Hugging Face folder. The same number of prompts of equal length, of answers, of passes
over them; reward and value models of the same size in PPO, a rule on the text and a reference in GRPO. A step is all of
it: answers, scores, comparison with the reference, updates. Ratios are TRL's seconds of a step over ours.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

from tokenizers import Tokenizer

root = pathlib.Path(__file__).resolve().parents[3]
here = pathlib.Path(__file__).resolve().parent
sextant = os.environ.get("SEXTANT", str(root / "build/cpu/sextant"))
shape = {"vocabulary": 49152, "width": 576, "layers": 30, "heads": 9, "kv_heads": 3, "ffn_width": 1536,
         "rotary_base": 100000}


def call(*words):
    done = subprocess.run([sextant, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"sextant {' '.join(map(str, words))}: {done.stderr}")


def write_lines(path, objects):
    path.write_text("".join(json.dumps(each) + "\n" for each in objects))


def equal_prompts(tokenizer, tokens, count):
    """Questions that are `tokens` long as the plain template writes them, all different."""
    words = "the river mill wheel old stone bridge quiet water evening light slow boat green meadow".split()
    found = []
    for i in range(10_000):
        text = f"Tell me of {words[i % len(words)]} {i}"
        for j in range(tokens):
            rendered = f"User: {text}?\n\nAssistant:"
            size = len(tokenizer.encode(rendered, add_special_tokens=False).ids)
            if size >= tokens:
                break
            text += f" and {words[(i + j) % len(words)]}"
        if size == tokens:
            found.append((f"{text}?", rendered))
        if len(found) == count:
            return found
    sys.exit("prompts of equal length can not be made")


def prepare(folder, options):
    """The folder with tokenizer, model, reward model, prompts and the peer's export; made once."""
    mark = folder / f"done-{options.compute}-{options.prompt}-{options.tokens}"
    if mark.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.exists():
        call("tokenizer", "train", "--vocabulary", shape["vocabulary"], "--output", tokenizer, options.text)
    pairs = equal_prompts(Tokenizer.from_file(str(tokenizer)), options.prompt, 256)
    write_lines(folder / "prompts.jsonl", [{"prompt": text} for text, _ in pairs])
    write_lines(folder / "rendered.jsonl", [{"prompt": rendered} for _, rendered in pairs])
    write_lines(folder / "pairs.jsonl", [{"prompt": "Who?", "responses": ["You.", "Me."], "ranks": [1, 2]}] * 8)
    (folder / "rule.yaml").write_text("rules: [{name: letters, kind: regex, pattern: '(?i)^[^a-z]*[a-m]', reward: 1}]\n")
    run = {"steps": 1, "global_batch": 1, "micro_batch": 1}
    common = {"optimizer": {"learning_rate": 1e-6}, "numerics": {"compute": options.compute},
              "data": {"tokenizer": str(tokenizer)}, "chat": {"template": "plain"}}
    model = {"kind": "llama", "tied_embeddings": True, "context": options.prompt + options.tokens + 1, **shape}

    def train(command, name, **settings):
        path = folder / f"{name}.yaml"
        whole = {**common, **settings, "run": {**run, **settings.get("run", {}), "folder": str(folder / name)}}
        path.write_text(json.dumps({key: value for key, value in whole.items() if value is not None}))
        subprocess.run(["rm", "-rf", folder / name], check=True)
        call(command, path)

    call("data", "build", "--json-key", "prompt", "--tokenizer", tokenizer, "--output", folder / "words", folder / "rendered.jsonl")
    train("pretrain", "base", model=model, data={"tokenizer": str(tokenizer), "train": [str(folder / "words")]}, chat=None)
    train("reward", "reward", run={"start_from": str(folder / "base")}, reward={"train": [str(folder / "pairs.jsonl")]})
    subprocess.run(["rm", "-rf", folder / "export"], check=True)
    call("checkpoint", "export", folder / "base", "--output", folder / "export")
    mark.touch()


class Ours:
    def __init__(self, command, folder, options):
        self.command, self.folder, self.options = command, folder, options
        ppo = {"prompts": [str(folder / "prompts.jsonl")], "episodes": options.episodes, "rows": options.episodes,
               "response_tokens": options.tokens, "epochs": options.epochs, "average_decay": 0, "logged_episodes": 0}
        rewards = {"model": str(folder / "reward")}
        if command == "grpo":
            ppo.update({"advantages": "group", "answers_per_prompt": options.group, "mean": "answers",
                        "kl": {"place": "loss", "estimator": "k3", "coefficient": 0.04}})
            rewards = {"rubric": str(folder / "rule.yaml")}
        config = {"run": {"folder": str(folder / f"run-{command}"), "start_from": str(folder / "base"), "steps": 100,
                          "global_batch": options.episodes, "micro_batch": options.episodes, "checkpoint_every": 0,
                          "log_every": 1},
                  "optimizer": {"learning_rate": 1e-6, "schedule": "constant", "warmup_steps": 0},
                  "numerics": {"compute": options.compute}, "data": {"tokenizer": str(folder / "tokenizer.json")},
                  "chat": {"template": "plain"}, "rewards": rewards, "ppo": ppo}
        (folder / f"{command}.yaml").write_text(json.dumps(config))

    def steps(self, count):
        """Seconds of each step after the first of a new process, and where they went."""
        subprocess.run(["rm", "-rf", self.folder / f"run-{self.command}"], check=True)
        call(self.command, self.folder / f"{self.command}.yaml", f"run.stop_at={count + 1}")
        lines = (self.folder / f"run-{self.command}/metrics.jsonl").read_text().splitlines()
        lines = [json.loads(line) for line in lines][1:]
        parts = {name: statistics.median(line[f"seconds_{name}"] for line in lines)
                 for name in ("rollout", "rewards", "comparison", "updates")}
        return [line["step_seconds"] for line in lines], parts


class Peer:
    """TRL's trainer in a process of its own, which makes a step when it is told to."""

    def __init__(self, command, folder, options):
        trl = root / ".venv-bench" / ("trl-1.2.0" if command == "ppo" else "trl-1.16.0")
        if not trl.exists():
            sys.exit(f"{trl} is not there: run tests/bench/alignment/setup.sh")
        arguments = {"command": command, "folder": str(folder), **{k: getattr(options, k) for k in
                     ("compute", "episodes", "tokens", "epochs", "group", "threads")}}
        self.process = subprocess.Popen([sys.executable, here / "peer.py", json.dumps(arguments)], text=True,
                                        env={**os.environ, "PYTHONPATH": str(trl)}, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=open(folder / f"{command}-peer.log", "w"))

    def step(self):
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        while line := self.process.stdout.readline():
            if line.startswith("seconds "):
                return float(line.split()[1])
        sys.exit("the peer ended early; see its log in build/bench/alignment")

    def close(self):
        self.process.kill()
        self.process.wait()


def spread(numbers):
    return f"{statistics.median(numbers):.2f} ({min(numbers):.2f} to {max(numbers):.2f})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("commands", nargs="*", default=["ppo", "grpo"])
    parser.add_argument("--compute", default="fp32", choices=["bf16", "fp32"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2, help="of each side in a round")
    parser.add_argument("--episodes", type=int, default=16)
    parser.add_argument("--group", type=int, default=8, help="answers to a prompt in GRPO")
    parser.add_argument("--prompt", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--text", default="/usr/share/dictd/gcide.dict.dz", help="the tokenizer learns from it")
    parser.add_argument("--folder", type=pathlib.Path, default=root / "build/bench/alignment")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    folder = options.folder.resolve()
    prepare(folder, options)
    for command in options.commands:
        ours, peer = Ours(command, folder, options), Peer(command, folder, options)
        peer.step()  # warm
        ratios, mine, theirs, parts = [], [], [], []
        for _ in range(options.rounds):
            peer_seconds = statistics.median(peer.step() for _ in range(options.steps))
            seconds, shares = ours.steps(options.steps)
            mine.append(statistics.median(seconds))
            theirs.append(peer_seconds)
            ratios.append(peer_seconds / mine[-1])
            parts.append(shares)
        peer.close()
        print(f"{command}, {options.compute}: {options.episodes} answers of {options.tokens} tokens to prompts of "
              f"{options.prompt}, {options.epochs} pass(es), {options.threads} threads, {options.rounds} rounds of "
              f"{options.steps} steps in turn; median (spread)")
        print(f"  TRL, seconds a step      {spread(theirs)}")
        print(f"  sextant, seconds a step  {spread(mine)}")
        print(f"  ratio                    {spread(ratios)}")
        names = parts[0].keys()
        total = sum(statistics.median(p[name] for p in parts) for name in names)
        print("  of a step of ours        " + ", ".join(
            f"{name} {statistics.median(p[name] for p in parts) / total * 100:.0f} %" for name in names), flush=True)


main()
