"""What is not installed is named, with what to install."""

import sys

import pytest

from kanarya_contracts.problems import KanaryaError
from kanarya_model.recorders import Recorders
from kanarya_model.settings import Settings


@pytest.mark.parametrize(
    ("setting", "absent", "ours", "extra"),
    [
        ({"traces": True}, "opentelemetry", "kanarya_model.records.spans", "otel"),
        ({"request_log": "log"}, "arro3", "kanarya_model.records.table", "request-log"),
    ],
)
def test_an_extra_that_is_missing_is_named_with_the_setting_that_needs_it(monkeypatch, setting, absent, ours, extra):
    for name in [name for name in sys.modules if name == absent or name.startswith(f"{absent}.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in (ours, "kanarya_model.records.requests"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, absent, None)

    with pytest.raises(KanaryaError) as wrong:
        Recorders(Settings(dir="x", **setting), model=None)

    [name] = setting
    assert str(wrong.value).startswith(f"--{name.replace('_', '-')}: {absent}")
    assert str(wrong.value).endswith(f" is not installed; install kanarya-model[{extra}]")
