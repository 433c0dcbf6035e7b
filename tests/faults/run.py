#!/usr/bin/env python3
"""Switches on one fault after another, each of which must turn the suite red.

    tests/faults/run.py                 all of them: about half an hour on two cores
    tests/faults/run.py tied_embedding  these
    tests/faults/run.py --check         only whether every fault still has its place in the sources

Builds a copy of the sources in build/faults, in which every fault of faults.py can be switched on; the sources
themselves know nothing of them."""

import argparse
import collections
import os
import pathlib
import shutil
import subprocess
import sys
import time

from faults import FAULTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "build/faults/source"
BUILD = ROOT / "build/faults/build"
COPIED = ("CMakeLists.txt", "CMakePresets.json", "cmake", "parallel", "data", "trainer", "rlhf", "launch", "tests", "configs")
LIMIT = 900  # seconds for one fault


def places():
    """The faults of each source; fails where a fault has lost its place."""
    found = collections.defaultdict(list)
    lost = []
    for fault in FAULTS:
        count = (ROOT / fault.file).read_text().count(fault.good)
        if count != 1:
            lost.append(f"{fault.name}: {fault.file} holds its text {count} times")
        found[fault.file].append(fault)
    if lost:
        sys.exit("faults without a place; mend tests/faults/faults.py:\n  " + "\n  ".join(lost))
    return found


def with_faults(text, faults):
    """Faults of one place are joined: the second one's text lies in the first one's."""
    for fault in faults:
        if text.count(fault.good) == 1:
            text = text.replace(fault.good, fault.bad)
            continue
        earlier = next(f for f in faults if f.good == fault.good)
        text = text.replace(earlier.bad, f'if (sextant::fault("{fault.name}")) {{ {fault.bad} }}\n  {earlier.bad}')
    return '#include "parallel/base/fault.h"\n' + text


def write_if_other(path, text):
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def copy_sources(found):
    """Files that have not changed keep their times, so that a second build is short."""
    wanted = set()
    for name in COPIED:
        top = ROOT / name
        for file in [top] if top.is_file() else sorted(top.rglob("*")) if top.is_dir() else []:
            if not file.is_file() or "__pycache__" in file.parts:
                continue
            inside = file.relative_to(ROOT)
            wanted.add(inside)
            there = COPY / inside
            if str(inside) in found:
                write_if_other(there, with_faults(file.read_text(), found[str(inside)]))
            elif not there.exists() or there.read_bytes() != file.read_bytes():
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, there)
    write_if_other(COPY / "parallel/base/fault.h", (ROOT / "tests/faults/fault.h").read_text())
    wanted.add(pathlib.Path("parallel/base/fault.h"))
    for file in COPY.rglob("*"):
        if file.is_file() and file.relative_to(COPY) not in wanted and ".venv" not in file.parts:
            file.unlink()
    venv = COPY / ".venv"
    if not venv.is_symlink():
        venv.symlink_to(ROOT / ".venv")


def build():
    programs = sorted({fault.tests[0] for fault in FAULTS})
    configure = ["cmake", "--preset", "cpu", "-B", str(BUILD), "-DSEXTANT_UNITY=ON"]
    make = ["cmake", "--build", str(BUILD), "--parallel", str(os.cpu_count()), "--target", *programs]
    for command in (configure, make):
        if subprocess.run(command, cwd=COPY).returncode != 0:
            sys.exit("the test build failed; see above")


def run(program, tests, name):
    """How a run of the suite ends: (whether it is green, what failed first, seconds)."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SEXTANT_FAULT": name}
    command = [str(BUILD / "tests" / program), f"--gtest_filter={tests}", "--gtest_fail_fast", "--gtest_brief=1"]
    start = time.monotonic()
    try:
        done = subprocess.run(command, cwd=COPY, env=environment, capture_output=True, text=True, errors="replace",
                              timeout=LIMIT)
        lines = [line for line in done.stdout.splitlines() if line.startswith("[  FAILED  ]")]
        first = lines[0].split("]")[1].split(",")[0].split("(")[0].strip() if lines else f"exit code {done.returncode}"
        return done.returncode == 0, first, time.monotonic() - start
    except subprocess.TimeoutExpired:
        return False, f"no end in {LIMIT} s", time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="FAULT")
    parser.add_argument("--check", action="store_true", help="only whether every fault has its place")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {fault.name for fault in FAULTS}
    if unknown:
        sys.exit(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(f.name for f in FAULTS)}")
    found = places()
    if arguments.check:
        print(f"{len(FAULTS)} faults have their places")
        return
    copy_sources(found)
    build()
    chosen = [f for f in FAULTS if not arguments.names or f.name in arguments.names]
    for program, tests in sorted({fault.tests for fault in chosen}):
        green, first, seconds = run(program, tests, "")
        print(f"without a fault: {program} {tests} is {'green' if green else f'RED ({first})'}, {seconds:.0f} s", flush=True)
        if not green:
            sys.exit("the suite must be green before a fault can turn it red")
    missed = []
    for fault in chosen:
        green, first, seconds = run(*fault.tests, fault.name)
        if green:
            missed.append(fault.name)
        print(f"{fault.name}: {'NOT SEEN' if green else 'red: ' + first}, {seconds:.0f} s ({fault.what})", flush=True)
    print(f"{len(chosen) - len(missed)} of {len(chosen)} faults turn the suite red" +
          (f"; not seen: {', '.join(missed)}" if missed else ""))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
