"""Every benchmark, one after the other, then the tables. A few hours on 2 cores; finished runs are not repeated.

python benchmarks/all.py [--data ../shared/data]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of data sets")
    options = parser.parse_args()
    commands = [["world.py"], ["estimators.py"], ["estimators.py", "--table", "weights"], ["length.py"]]
    commands += [
        ["speed.py"],
        ["gpu.py"],
        ["store.py"],
        ["attacks.py"],
        ["load.py"],
        ["load.py", "--soak-minutes", "30"],
    ]
    if options.data.is_dir():
        commands += [
            [each, "--data", str(options.data)]
            for each in ("real_text.py", "mixture.py", "suites.py", "search.py", "conversations.py")
        ]
    else:
        print(f"{options.data} is not there: the benchmarks on real text are left out")
    for command in [*commands, ["tables.py"]]:
        print("benchmarks/" + " ".join(command), flush=True)
        subprocess.run([sys.executable, str(HERE / command[0]), *command[1:]], check=True)


if __name__ == "__main__":
    main()
