"""A model opens gRPC while it serves; its next version has the same share of gRPC as of REST, and is promoted on gRPC alone."""

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from e2e_kube import GATEWAY as ADDRESS
from e2e_kube import eventually
from e2e_traffic import GATEWAY, TIMEOUT_SECONDS, Answer, Traffic, by_version
from e2e_versions import Versions

from kanarya_contracts.names import ConditionType
from kanarya_model.edges import open_inference_pb2 as pb

ROOT, HERE = Path(__file__).parents[2], Path(__file__).parent
MODEL, HOST = "tulips", "tulips.example.com"
WEIGHT = 20
"""Of petals.yaml's first step, after which it waits for a person."""
RATE = 100.0
"""Requests a second, by each door."""
COUNTED_SECONDS = 8.0
SETTLED = 1.0
"""Seconds around a change of the weight whose requests are left out: the gateway may be in between."""
SIGMAS = 4.5
"""Of the binomial: a right split is called wrong once in 100,000 looks."""


class Calls(threading.Thread):
    """A client of V2 over gRPC, on one connection, at a steady rate; it tries nothing again."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.answers: list[Answer] = []
        host, port = GATEWAY
        self._channel = grpc.insecure_channel(f"{host}:{port}", options=[("grpc.default_authority", HOST)])
        self._infer = self._channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            pb.ModelInferRequest.SerializeToString,
            pb.ModelInferResponse.FromString,
        )

    def __enter__(self) -> "Calls":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()
        self._channel.close()

    def run(self) -> None:
        due = time.perf_counter()
        while not self.over.is_set():
            self.answers.append(self.one())
            due = max(due + 1 / RATE, time.perf_counter())
            self.over.wait(due - time.perf_counter())

    def one(self) -> Answer:
        """What becomes of a setosa."""
        tensor = pb.ModelInferRequest.InferInputTensor(name="X", datatype="FP64", shape=[1, 4])
        tensor.contents.fp64_contents.extend([5.1, 3.5, 1.4, 0.2])
        sent, began = time.time(), time.perf_counter()
        try:
            answer = self._infer(pb.ModelInferRequest(model_name=MODEL, inputs=[tensor]), timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return Answer(sent, time.perf_counter() - began, 0, "", False, f"{error.code()}: {error.details()}")
        label = answer.outputs[0].contents.bytes_contents[0].decode()
        return Answer(sent, time.perf_counter() - began, 200, answer.model_version, label == "setosa", "")

    def lost(self) -> list[Answer]:
        """Calls that did not end well."""
        return [one for one in self.answers if one.lost]


@pytest.fixture
def tulips(kube: Any) -> Iterator[Any]:
    """A third model: trained by a Job, served without gRPC, gone after the test. Its chart, as a function of values."""
    kube.helm(
        "upgrade", "--install", f"{MODEL}-1", str(ROOT / "helm/training-job"), "-f", str(HERE / "petals-training.yaml"),
        "--set", f"config.model={MODEL}", "--set-file", rf"data.iris\.csv={ROOT / 'data/iris.csv'}",
        "--wait", "--wait-for-jobs", "--timeout", "300s",
    )  # fmt: skip

    def chart(*values: str) -> None:
        given = ("replicas=1", f"model={MODEL}", f"rollout.traffic.hostnames={{{HOST}}}", *values)
        kube.helm(
            "upgrade", "--install", MODEL, str(ROOT / "helm/model"), "-f", str(HERE / "petals.yaml"),
            *[part for value in given for part in ("--set", value)],
        )  # fmt: skip

    chart()
    eventually(lambda: httpx.get(f"{ADDRESS}/v2/models/{MODEL}", headers={"Host": HOST}).status_code == 200,
               f"{MODEL} has a champion that answers", seconds=180)  # fmt: skip
    yield chart
    kube.helm("uninstall", MODEL, f"{MODEL}-1", "--wait")
    eventually(lambda: not kube.get("pods", "-l", f"kanarya.dev/model={MODEL}"), "its pods are gone", seconds=90)


def test_grpc_is_opened_while_the_model_serves_and_a_challenger_has_the_same_share_of_it(
    kube: Any, tulips: Any, report: Any, tmp_path: Path
) -> None:
    with Traffic(tmp_path, model=MODEL, host=HOST, rate=RATE) as rest, kube.reach("platform-mlflow", 5000) as address:
        champion = kube.rollout(MODEL).status.stable.version
        tulips("runtime.grpc=true")
        probe = Calls()
        eventually(lambda: probe.one().version == champion, "gRPC is answered through the gateway", seconds=120)
        kube.available(f"deployment/{MODEL}-v{champion}-predictor")
        pods = ("pods", "-l", f"app=isvc.{MODEL}-v{champion}-predictor")
        eventually(lambda: len(kube.get(*pods)) == 1, "the pod from before has gone")

        with Calls() as calls:
            version = Versions(address, MODEL).challenge()
            eventually(lambda: kube.rollout(MODEL).status.current_step_index == 1, f"{version} has its share", seconds=180)
            begin = time.time() + SETTLED
            time.sleep(SETTLED + COUNTED_SECONDS)
            end = time.time()
            rest.stop()
            by_rest = by_version(rest.answers())[version]
            counted = eventually(lambda: (n := evidence(kube)) > by_rest and n, "calls are evidence", seconds=60)
            kube.ask(MODEL, "promote")
            eventually(lambda: kube.rollout(MODEL).status.stable.version == version, f"{version} is promoted", seconds=180)
            time.sleep(5)  # the old champion has let go of what it had

    doors = {"REST": rest.answers(), "gRPC": calls.answers}
    splits = {door: split([one for one in answers if begin <= one.sent < end], version) for door, answers in doors.items()}
    report.add(
        grpc={
            "calls": len(calls.answers), "lost": len(calls.lost()), "lost over REST": len(rest.lost()), "splits": splits,
            "answers of the challenger that were evidence": counted, "of them over REST at most": by_rest,
        }
    )  # fmt: skip
    assert calls.lost() == []
    assert rest.lost() == []
    for found in splits.values():
        assert found["n"] >= 300, splits
        assert abs(found["sigmas"]) < SIGMAS, splits
    assert all(one.right for one in calls.answers)
    assert {one.version for one in calls.answers[-50:]} == {version}
    assert kube.rollout(MODEL).status.condition(ConditionType.PROMOTED).reason == "GatesAgreed"


def evidence(kube: Any) -> int:
    """Answers of the challenger that the gate on errors has seen."""
    return sum(one.candidate.n for one in kube.rollout(MODEL).status.evidence if one.metric == "error-rate")


def split(answers: list[Answer], version: str) -> dict[str, float]:
    """How many of these the version answered, and how far from the weight that is."""
    n, hit, share = len(answers), by_version(answers).get(version, 0), WEIGHT / 100
    sigmas = (hit - n * share) / math.sqrt(n * share * (1 - share)) if n else 0.0
    return {"n": n, "share": round(hit / n, 4) if n else 0.0, "sigmas": round(sigmas, 2)}
