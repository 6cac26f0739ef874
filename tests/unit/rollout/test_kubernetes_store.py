"""What the store says of an object that it cannot read. The rest of it is shown on a real API server, in tests/cluster."""

import pytest

from kanarya_contracts.problems import InvalidInput, KanaryaError
from kanarya_contracts.testing import changed, rollout_document
from kanarya_rollout.ports.kubernetes import KubernetesStore


def read(document):
    body = changed(changed(document, "metadata.resourceVersion", "1"), "metadata.namespace", "flowers")

    class Api:
        def get(self, path):
            return body

    return KubernetesStore(Api()).get("flowers/iris")


def test_a_status_of_another_version_of_the_controller_is_told_as_one_in_one_line():
    with pytest.raises(KanaryaError) as caught:
        read(changed(rollout_document(), "status", {"ledger": {"tomorrow": 1}}))
    assert str(caught.value) == (
        "modelrollout flowers/iris: status.ledger.tomorrow: is not a known field: another version of the controller wrote this "
        "status; run that one, or take what is named out of it; until then nothing moves, and traffic stays as it is"
    )


def test_a_spec_that_cannot_be_read_is_the_specs_fault():
    with pytest.raises(InvalidInput, match=r"spec\.deadline"):
        read(changed(rollout_document(), "spec.deadline", "soon"))
