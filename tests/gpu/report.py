#!/usr/bin/env python3
"""Two parts of check.sh: what the device is, and the tables of what was measured.

    python3 report.py device FOLDER            writes FOLDER/device.json, prints it as lines
    python3 report.py table FOLDER OUTPUT      reads what check.sh left in FOLDER, writes OUTPUT/results.*

Model FLOPs a token: 6 N + 12 L C T (forward and backward; N without position embeddings, attention not halved
for the causal mask), the same formula for every row. MFU divides by the data sheet's dense bf16 rate.
"""

import json
import pathlib
import subprocess
import sys
import time

# Dense bf16 TFLOP/s of the data sheets, by a part of the device's name; the first that fits counts.
PEAKS = {
    "H100 PCIe": 756.5,
    "H100": 989.4,
    "H200": 989.4,
    "GH200": 989.4,
    "A100": 312.0,
    "B200": 2250.0,
    "L40S": 362.0,
}
LAYERS, WIDTH, CONTEXT, VOCABULARY, BATCH = 12, 768, 1024, 50304, 32
WARMUP_STEPS = 10


def flops_per_token():
    block = 12 * WIDTH * WIDTH + 13 * WIDTH
    parameters = VOCABULARY * WIDTH + LAYERS * block + 2 * WIDTH
    return 6 * parameters + 12 * LAYERS * WIDTH * CONTEXT


def measured_tflops(torch):
    """The rate of an 8192 x 8192 x 8192 bf16 product on this device."""
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(10):
        a @ b
    torch.cuda.synchronize()
    return 10 * 2 * 8192**3 / (time.perf_counter() - started) / 1e12


def driver_version():
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
        return lines[0] if lines else "unknown"
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def describe(folder):
    import torch

    name = torch.cuda.get_device_name(0)
    peak = next((value for part, value in PEAKS.items() if part in name), None)
    measured = measured_tflops(torch)
    device = {
        "name": name,
        "driver": driver_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "memory_bytes": torch.cuda.get_device_properties(0).total_memory,
        "matmul_tflops": measured,
        "peak_tflops": peak or measured,
        "peak_is": "data sheet, dense bf16"
        if peak
        else "measured matrix product: this device is not in the list",
    }
    (folder / "device.json").write_text(json.dumps(device, indent=1))
    for key, value in device.items():
        print(f"{key}: {value}")


def read_json(path):
    return json.loads(path.read_text()) if path.exists() else None


def sextant_row(folder):
    """Throughput out of metrics.jsonl, without the first steps."""
    path = folder / "metrics.jsonl"
    if not path.exists():
        return None
    rows = [row for row in map(json.loads, path.read_text().splitlines()) if "step_seconds" in row]
    rows = rows[WARMUP_STEPS:]
    if not rows:
        return None
    seconds = sum(row["step_seconds"] for row in rows) / len(rows)
    return {
        "name": "sextant",
        "tokens_per_second": BATCH * CONTEXT / seconds,
        "step_seconds": seconds,
        "memory_bytes": max(row["memory_bytes"] for row in rows),
        "last_loss": rows[-1]["loss"],
        "steps": len(rows),
        "own_mfu": rows[-1]["mfu"],
    }


def peer_row(folder, mode, name):
    peer = read_json(folder / f"peer_{mode}.json")
    return peer and {"name": name, **peer}


def test_counts(folder):
    """Tests of every gtest report in the folder: run, failed."""
    counts = {}
    for path in sorted(folder.glob("gpu_test*.json")):
        report = read_json(path)
        counts[path.stem] = {"run": report["tests"], "failed": report["failures"] + report["errors"]}
    return counts


def markdown(results):
    device = results["device"]
    lines = [
        f"# GPU check of {results['build'].get('commit', 'unknown')}",
        "",
        f"{device['name']}, driver {device['driver']}, PyTorch {device['torch']}; an 8192³ bf16 product "
        f"runs at {device['matmul_tflops']:.0f} TFLOP/s; MFU is of {device['peak_tflops']:.0f} "
        f"({device['peak_is']}).",
        "",
        "| tests | run | failed |",
        "|---|---|---|",
        *(f"| {name} | {counts['run']} | {counts['failed']} |" for name, counts in results["tests"].items()),
        "",
        f"Training GPT-2 124M, bf16 over fp32 weights, {BATCH} x {CONTEXT} tokens a step, the same corpus.",
        "",
        "| | tokens/s | ms a step | MFU | peak memory, GiB | loss at the end |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["throughput"]:
        lines.append(
            f"| {row['name']} | {row['tokens_per_second']:,.0f} | {1e3 * row['step_seconds']:.1f} | "
            f"{100 * row['mfu']:.1f} % | {row['memory_bytes'] / 2**30:.1f} | {row['last_loss']:.3f} |"
        )
    return "\n".join(lines) + "\n"


def table(folder, output):
    device = read_json(folder / "device.json")
    build = dict(line.split(": ", 1) for line in (folder / "BUILD").read_text().splitlines() if ": " in line)
    rows = [
        sextant_row(folder),
        peer_row(folder, "eager", "PyTorch, eager"),
        peer_row(folder, "compile", "PyTorch, torch.compile"),
    ]
    rows = [row for row in rows if row]
    for row in rows:
        row["mfu"] = row["tokens_per_second"] * flops_per_token() / (device["peak_tflops"] * 1e12)
    results = {"device": device, "build": build, "tests": test_counts(folder), "throughput": rows}
    results["flops_per_token"] = flops_per_token()
    (output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (output / "results.md").write_text(markdown(results))
    print(markdown(results))


def main():
    match sys.argv[1:]:
        case ["device", folder]:
            describe(pathlib.Path(folder))
        case ["table", folder, output]:
            table(pathlib.Path(folder), pathlib.Path(output))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
