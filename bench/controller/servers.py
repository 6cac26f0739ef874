"""Every model server of the benchmark in one process: `/metrics` of each, and the answer that says which artifact it serves.

    python bench/controller/servers.py --port PORT

Counters are a function of the time since the start: ten requests a second to a champion, one to a challenger, both with half a
percent of errors, so that no gate has a reason to refuse and each reading brings something new.
"""

import argparse
import re
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from world import digest

from kanarya_contracts import metrics

BEGAN = time.time()
RATE = {"1": 10.0, "2": 1.0}
"""Requests a second, by version."""
_METRICS = re.compile(r"/metrics/(?P<model>[a-z0-9]+)/(?P<version>\d+)")
_MODEL = re.compile(r"/bench[a-z-]*/(?P<model>[a-z0-9]+)-v(?P<version>\d+)-predictor/v2/models/[a-z0-9]+")


def exposition(model: str, version: str) -> str:
    """As ours is, less what no gate reads."""
    count = int((time.time() - BEGAN) * RATE[version])
    errors = count // 200
    labels = f'model="{model}",version="{version}"'
    lines = [
        f'{metrics.INFO}{{{labels},digest="{digest(version)}",format="onnx"}} 1',
        f"process_start_time_seconds {BEGAN}",
        f'{metrics.REQUESTS}{{{labels},code="200"}} {count - errors}',
        f'{metrics.REQUESTS}{{{labels},code="500"}} {errors}',
    ]
    for bound in (*metrics.DURATION_BUCKETS, "+Inf"):
        fast = 0 if bound != "+Inf" and bound < 0.0005 else count - errors
        lines.append(f'{metrics.DURATION}_bucket{{{labels},le="{bound}"}} {fast}')
    for outcome, share in (("right", 0.95), ("wrong", 0.05)):
        lines.append(f'{metrics.FEEDBACK}{{{labels},{metrics.OUTCOME}="{outcome}"}} {int(count * share)}')
    return "\n".join(lines) + "\n"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if found := _METRICS.fullmatch(self.path):
            self._answer(exposition(found["model"], found["version"]), "text/plain; version=0.0.4")
        elif found := _MODEL.fullmatch(self.path):
            self._answer(f'{{"properties": {{"digest": "{digest(found["version"])}"}}}}', "application/json")
        else:
            self.send_error(404)

    def _answer(self, text: str, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler).serve_forever()
