"""`python -m forecasting_platform_tests.simulation --seed 7` prints what happened; `--seeds 0..9999` plays many."""

import argparse
import sys
import time
from collections import Counter

from forecasting_platform_tests.simulation.play import MIXES, play

PROGRESS_EVERY = 500


def main() -> int:
    """Play; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one and print each call")
    parser.add_argument("--seeds", default="0..199", help="play these, and print those that break a promise")
    parser.add_argument("--mix", choices=MIXES, help="only these actors; by default the seed chooses")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        played = play(arguments.seed, arguments.mix)
        print("\n".join([f"seed {played.seed}, mix {played.mix}", *played.trace]))  # noqa: T201
        return bool(played.broken)
    first, last = map(int, arguments.seeds.split(".."))
    began, failed, mixes = time.monotonic(), 0, Counter[str]()
    for seed in range(first, last + 1):
        played = play(seed, arguments.mix)
        mixes[played.mix] += 1
        if played.broken:
            failed += 1
            print(f"seed {seed}, {played.mix}: {played.broken[0]}", flush=True)  # noqa: T201
        if (done := seed - first + 1) % PROGRESS_EVERY == 0:
            print(f"{done} seeds, {failed} broke a promise, {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
    seconds = time.monotonic() - began
    print(f"{last - first + 1} seeds ({dict(mixes)}), {failed} broke a promise, {seconds:.0f} s")  # noqa: T201
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
