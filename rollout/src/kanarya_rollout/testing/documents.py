"""Rollouts for tests, as a person would write them."""

from collections.abc import Iterable, Mapping

from kanarya_contracts.rollout import ModelRollout

ERRORS = {
    "name": "error-rate",
    "test": "sequential-ratio",
    "margin": {"tolerate": "1.2", "refuse": "2.0", "negligible": "0.01"},
    "minSamples": 50,
}
"""A gate on errors, as a document."""

ACCURACY = {"name": "accuracy", "test": "sequential-proportion", "margin": {"tolerate": "-0.05", "refuse": "-0.15"}}
"""A gate on labels, as a document."""


def a_rollout(
    *,
    steps: Iterable[Mapping[str, object]] = (),
    metrics: Iterable[Mapping[str, object]] = (),
    analysis: Mapping[str, object] | None = None,
    **spec: object,
) -> ModelRollout:
    """A ModelRollout named iris, with 10 and 50 %, a gate on errors and no rollback window unless told otherwise. `spec`:
    fields as in YAML."""
    return ModelRollout.model_validate(
        {
            "metadata": {"name": "iris"},
            "spec": {
                "targetRef": {"name": "iris"},
                "registry": {"model": "iris", "pollInterval": "1s"},
                "rollbackWindow": "0s",
                "strategy": {"canary": {"steps": list(steps) or [{"setWeight": 10}, {"setWeight": 50}]}},
                "analysis": {"interval": "1s", **(analysis or {}), "metrics": list(metrics) or [ERRORS]},
                **spec,
            },
        }
    )
