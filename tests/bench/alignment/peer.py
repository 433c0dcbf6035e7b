"""TRL's PPO or GRPO trainer on the folder that compare.py made; a step for each line on standard input."""
import json
import logging
import pathlib
import re
import sys
import time

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerFast, TrainerCallback

options = json.loads(sys.argv[1])
folder = pathlib.Path(options["folder"])
torch.set_num_threads(options["threads"])
logging.disable(logging.WARNING)
out = sys.stdout
sys.stdout = sys.stderr  # what the trainers print
bf16 = options["compute"] == "bf16"
tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), eos_token="<|endoftext|>",
                                    pad_token="<|padding|>", padding_side="left")
prompts = [json.loads(line)["prompt"] for line in (folder / "rendered.jsonl").read_text().splitlines()]
export = folder / "export"


class OnDemand(TrainerCallback):
    """Waits for a line before each step, and says how long the step took."""

    def on_train_begin(self, *_, **__):
        self.wait()

    def on_step_end(self, *_, **__):
        print("seconds", time.perf_counter() - self.begin, file=out, flush=True)
        self.wait()

    def wait(self):
        if not sys.stdin.readline():
            raise SystemExit
        self.begin = time.perf_counter()


common = {"output_dir": str(folder / "trl"), "use_cpu": True, "bf16": bf16, "gradient_checkpointing": False,
          "learning_rate": 1e-6, "per_device_train_batch_size": options["episodes"], "report_to": [], "save_strategy": "no",
          "optim": "adamw_torch_fused", "logging_steps": 1, "disable_tqdm": True, "temperature": 1.0}
policy = AutoModelForCausalLM.from_pretrained(export, dtype=torch.float32)
policy.generation_config.eos_token_id = tokenizer.eos_token_id
policy.generation_config.pad_token_id = tokenizer.pad_token_id
if options["command"] == "ppo":
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    def scalar():
        model = AutoModelForSequenceClassification.from_pretrained(export, num_labels=1, dtype=torch.float32)
        model.config.pad_token_id = tokenizer.pad_token_id
        return model

    rows = Dataset.from_list([{"input_ids": tokenizer(text, add_special_tokens=False)["input_ids"]} for text in prompts])
    trainer = PPOTrainer(
        PPOConfig(**common, total_episodes=10_000, num_ppo_epochs=options["epochs"], num_mini_batches=1,
                  response_length=options["tokens"], local_rollout_forward_batch_size=options["episodes"],
                  num_sample_generations=0, stop_token="eos"),
        processing_class=tokenizer, model=policy, ref_model=AutoModelForCausalLM.from_pretrained(export, dtype=torch.float32),
        reward_model=scalar(), value_model=scalar(), train_dataset=rows, callbacks=[OnDemand()])
else:
    from trl import GRPOConfig, GRPOTrainer

    def letters(completions, **_):
        return [1.0 if re.search("(?i)^[^a-z]*[a-m]", text) else 0.0 for text in completions]

    trainer = GRPOTrainer(
        model=policy, reward_funcs=letters, processing_class=tokenizer,
        args=GRPOConfig(**common, max_steps=10_000, num_generations=options["group"], max_completion_length=options["tokens"],
                        num_iterations=options["epochs"], beta=0.04, loss_type="grpo"),
        train_dataset=Dataset.from_list([{"prompt": text} for text in prompts]), callbacks=[OnDemand()])
trainer.train()
