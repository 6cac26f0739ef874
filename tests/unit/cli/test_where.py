"""Which world a command line means."""

import pytest

from kanarya_cli.where import means_cluster
from kanarya_contracts.problems import KanaryaError


@pytest.mark.parametrize("otherwise", [False, True])
def test_what_is_typed_decides_and_where_nothing_is_the_environment_does(otherwise: bool) -> None:
    assert means_cluster({"namespace"}, otherwise=otherwise)
    assert means_cluster({"cluster", "context"}, otherwise=otherwise)
    assert not means_cluster({"state"}, otherwise=otherwise)
    assert not means_cluster({"local"}, otherwise=otherwise)
    assert means_cluster(set(), otherwise=otherwise) is otherwise


@pytest.mark.parametrize(
    ("typed", "words"), [({"state", "namespace"}, ("-n", "--state")), ({"local", "context"}, ("--context", "--local"))]
)
def test_words_for_both_worlds_are_refused_by_name(typed: set[str], words: tuple[str, ...]) -> None:
    with pytest.raises(KanaryaError) as told:
        means_cluster(typed, otherwise=True)
    assert all(word in str(told.value) for word in words)
