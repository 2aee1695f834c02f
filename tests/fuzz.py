"""Any input to every property of tests/test_input.py for so many seconds: `python tests/fuzz.py --seconds 60`.

Where atheris is installed (`pip install atheris`, on Linux), the inputs follow what of `rag` they reach; elsewhere Hypothesis
makes them. Prints how many were tried and what became of them; at the first that is neither read nor refused it shows the error
and exits with 1.
"""
from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--only", metavar="NAME", help="one property, by its name in PROPERTIES")
    given = parser.parse_args()
    try:
        import atheris
    except ImportError:
        atheris = None
    if atheris:
        with atheris.instrument_imports(include=["rag"]):
            from tests import test_input
    else:
        from tests import test_input

    tried: Counter[tuple[str, str]] = Counter()
    names = [given.only] if given.only else list(test_input.PROPERTIES)
    tests = [test_input.property_of(name, tried) for name in names]
    end = time.monotonic() + given.seconds
    if atheris:
        _guided(atheris, [test.hypothesis.fuzz_one_input for test in tests], names, tried, end)
    while time.monotonic() < end:
        for name in names:
            tried += test_input.attempt(name, 100)
    _report(names, tried)


def _guided(atheris: object, tests: list[Callable[[bytes], object]], names: list[str], tried: Counter, end: float) -> None:
    """Does not come back: what runs the inputs does not either."""

    def one(data: bytes) -> None:
        if time.monotonic() > end:
            _report(names, tried)
            os._exit(0)
        if data:
            try:
                tests[data[0] % len(tests)](data[1:])
            except Exception:
                traceback.print_exc()
                _report(names, tried)
                os._exit(1)

    atheris.Setup([sys.argv[0], "-max_len=4096", "-verbosity=0"], one)  # type: ignore[attr-defined]
    atheris.Fuzz()  # type: ignore[attr-defined]


def _report(names: list[str], tried: Counter) -> None:
    for name in names:
        refused = ", ".join(f"{count:,} {error}" for (which, error), count in tried.items() if which == name and error != "tried")
        print(f"{name}: {tried[name, 'tried']:,} tried, refused: {refused or 'none'}", flush=True)
    print(f"{sum(count for (_, what), count in tried.items() if what == 'tried'):,} inputs tried", flush=True)


if __name__ == "__main__":
    main()
