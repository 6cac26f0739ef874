"""Fuzz the readers of bodies with atheris for a bounded time. Called by `make conformance`.

    .venv/bin/python tests/fuzz [--seconds 60]

Starts from tests/fuzz/corpus, keeps what it finds in .kanarya/fuzz (never in the corpus: move a finding there by hand, and
`tests/component/protocol/test_fuzz_corpus.py` replays it ever after). Ends with the input that broke a reader, if one did.
"""

import argparse
import sys
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("fuzz: atheris has no wheel for this platform; it has for Linux on x86-64")

HERE = Path(__file__).parent
FOUND = Path(".kanarya/fuzz")


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests/fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="how long to look")
    options = parser.parse_args()
    FOUND.mkdir(parents=True, exist_ok=True)
    # Only our own code is instrumented: the libraries' branches would drown it.
    with atheris.instrument_imports(include=["kanarya_model", "kanarya_contracts"]):
        import target  # noqa: PLC0415
    bounds = [f"-max_total_time={options.seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=4096"]
    words = [f"-dict={HERE / 'words.dict'}", f"-artifact_prefix={FOUND}/", "-verbosity=0", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], str(FOUND), str(HERE / "corpus"), *bounds, *words], target.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
