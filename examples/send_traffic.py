"""Send Iris rows through the gateway and their labels back, until Ctrl-C. What an application of yours would do.

    python examples/send_traffic.py [--url http://127.0.0.1:8080] [--rate 200]

Standard library alone, so that it can be read and copied.
"""

import argparse
import csv
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
TARGET = "species"


def post(url: str, body: object) -> dict[str, object]:
    """POST JSON and read JSON. Raises OSError when it does not answer 200."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
        document: dict[str, object] = json.load(response)
        return document


def ask(url: str, row: dict[str, str]) -> tuple[str, str]:
    """The version that answered and its prediction."""
    tensors = [{"name": name, "datatype": "FP64", "shape": [1], "data": [float(row[name])]} for name in FEATURES]
    answer = post(f"{url}/v2/models/iris/infer", {"inputs": tensors})
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}  # type: ignore[attr-defined]
    return str(answer["model_version"]), str(outputs["label"][0])


def main() -> None:
    """Ask, tell the truth, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the gateway")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    options = parser.parse_args()
    with (Path(__file__).parent.parent / "data" / "iris.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    answered: Counter[str] = Counter()
    failed, said = 0, 0.0
    while True:
        for row in rows:
            started = time.monotonic()
            try:
                version, label = ask(options.url, row)
                feedback = {"model_version": version, "predictions": [label], "labels": [row[TARGET]]}
                post(f"{options.url}/v2/models/iris/feedback", feedback)
                answered[version] += 1
            except OSError as error:
                failed += 1
                print(f"\nfailed: {error}")
            if started - said >= 0.2:
                said = started
                shares = "  ".join(f"v{version}: {count:,}" for version, count in sorted(answered.items()))
                print(f"\r{shares}  failed: {failed}", end="", flush=True)
            time.sleep(max(0.0, 1 / options.rate - (time.monotonic() - started)))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print()
