"""Which version answers, which folder is meant, what the index says: decided without a server."""

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts.problems import KanaryaError
from kanarya_model.core.versions import Versions
from kanarya_model.repository import Places, State, Unknown
from kanarya_model.repository.index import index
from kanarya_model.repository.places import order

NAMES, NUMBERS = st.sampled_from(["iris", "wine"]), st.sampled_from(["1", "2", "3"])
PUT = st.tuples(st.just("put"), NAMES, NUMBERS, st.booleans())
TAKE = st.tuples(st.just("take"), NAMES, NUMBERS, st.just(None))
PREFER = st.tuples(st.just("prefer"), NAMES, NUMBERS, st.just(None))


def step(versions, action):
    verb, name, version, default = action
    if verb == "put":
        return versions.put(name, version, (name, version), default=default)
    return getattr(versions, verb)(name, version) if version in versions.of(name) else versions


# --- which version answers -------------------------------------------------------------------------------------------


@given(actions=st.lists(PUT | TAKE | PREFER, max_size=30))
def test_whatever_comes_and_goes_each_model_has_one_default_and_each_version_is_found(actions):
    there = {}
    for verb, name, version, _ in actions:
        if verb == "put":
            there[name, version] = True
        elif verb == "take":
            there.pop((name, version), None)

    versions = functools.reduce(step, actions, Versions())

    assert set(versions) == set(there)
    assert len(versions) == len(there)
    for name in {name for name, _ in there}:
        assert versions.find(name)[0] == name
        assert {versions.find(name, version) for version in versions.of(name)} == {key for key in there if key[0] == name}
        assert list(versions.models[name])[-1] == versions.find(name)


@given(actions=st.lists(PUT, min_size=1, max_size=12), most=st.integers(1, 3))
def test_what_is_beyond_the_limit_is_neither_the_default_nor_the_new_one(actions, most):
    versions = Versions()
    for _, name, version, default in actions:
        versions = versions.put(name, version, (name, version), default=default)
        for old in versions.surplus(name, most, version):
            assert old not in (version, versions.models[name].default)
            versions = versions.take(name, old)
        assert len(versions.of(name)) <= max(most, 1 if versions.models[name].default == version else 2)


def test_the_last_that_came_is_the_default_unless_it_was_to_stand_beside():
    versions = Versions().put("iris", "7", 7, default=False).put("iris", "8", 8).put("iris", "9", 9, default=False)

    assert versions.find("iris") == 8
    assert versions.prefer("iris", "7").find("iris") == 7
    assert versions.prefer("iris", "7").surplus("iris", 1, "9") == ("8",)
    assert versions.take("iris", "8").find("iris") == 9
    assert versions.of("iris") == ("7", "8", "9")


def test_what_is_not_there_is_named_with_what_is():
    versions = Versions().put("iris", "7", 7)

    with pytest.raises(LookupError, match='model: got "rose", expected "iris"'):
        versions.find("rose")
    with pytest.raises(LookupError, match='version: got "8" of model "iris", expected "7"'):
        versions.find("iris", "8")
    with pytest.raises(LookupError, match="none is loaded"):
        Versions().find("iris")


# --- which folder is meant -------------------------------------------------------------------------------------------


@given(numbers=st.lists(st.integers(0, 10**6), min_size=1, max_size=8), prefix=st.sampled_from(["", "v", "1.", "2025-"]))
def test_versions_are_ordered_by_their_numbers(numbers, prefix):
    versions = sorted((f"{prefix}{number}" for number in numbers), key=order)

    assert versions == [f"{prefix}{number}" for number in sorted(numbers)]


@given(versions=st.lists(st.text("019.av-_", min_size=1, max_size=6), unique=True, max_size=8))
def test_any_names_of_versions_have_one_order(versions):
    backwards = versions[::-1]

    assert sorted(versions, key=order) == sorted(backwards, key=order)


@pytest.fixture
def repository(tmp_path):
    """Two models, things that are none, and a folder beside that nobody is to read."""
    inside, outside = tmp_path / "models", tmp_path / "outside"
    for folder in ("iris/9", "iris/10", "iris/.hidden", "wine/v2", "empty", ".git/1", "a b/1"):
        (inside / folder).mkdir(parents=True)
    (outside / "1").mkdir(parents=True)
    (inside / "iris/11").symlink_to(outside / "1")
    (inside / "linked").symlink_to(outside)
    (inside / "iris/notes").write_text("not a folder")
    return inside


def test_models_and_versions_are_folders_and_links_are_not(repository):
    assert Places(str(repository)).models() == {"empty": (), "iris": ("9", "10"), "wine": ("v2",)}


def test_the_newest_is_meant_unless_the_model_names_a_default_or_the_client_a_version(repository):
    places = Places(str(repository))

    newest, asked = places.chosen("iris"), places.chosen("iris", "9")
    (repository / "iris/default").write_text("9\n")

    assert (newest, asked, places.chosen("iris"), places.chosen("wine")) == ("10", "9", "9", "v2")


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("..", None),
        ("../outside", "1"),
        ("iris/..", "iris"),
        ("/", "1"),
        ("", None),
        ("linked", None),
        ("empty", None),
        ("rose", None),
        (".git", "1"),
        ("iris", "../../outside/1"),
        ("iris", "11"),
        ("iris", ".hidden"),
        ("iris", ".."),
        ("iris", "notes"),
        ("iris", "10\0"),
    ],
)
def test_nothing_but_a_versions_own_folder_can_be_named(repository, model, version):
    with pytest.raises(Unknown, match="expected"):
        Places(str(repository)).chosen(model, version)


PATHS = st.lists(st.sampled_from(["iris", "9", "/", "..", ".", "\0", "~", " "]), max_size=4).map("".join)


@given(model=PATHS, version=PATHS)
def test_whatever_is_named_is_a_folder_below_the_repository_or_unknown(tmp_path_factory, model, version):
    root = tmp_path_factory.getbasetemp() / "places"
    (root / "iris/9").mkdir(parents=True, exist_ok=True)
    places = Places(str(root))

    try:
        chosen = places.chosen(model, version)
    except Unknown:
        return
    assert (model, chosen) == ("iris", "9")


@pytest.mark.parametrize("line", ["../outside", "", "9 10", "x" * 300])
def test_a_default_that_names_no_version_is_refused_in_words(repository, line):
    (repository / "wine/default").write_text(line)

    with pytest.raises(KanaryaError, match="wine/default: got"):
        Places(str(repository)).chosen("wine")


def test_a_default_that_is_a_link_is_refused_and_a_version_may_be_called_so(repository):
    (repository / "wine/default").symlink_to(repository / "iris/notes")
    (repository / "iris/default").mkdir()

    with pytest.raises(KanaryaError, match="wine/default: is a link"):
        Places(str(repository)).chosen("wine")
    assert Places(str(repository)).chosen("iris", "default") == "default"


def test_a_repository_is_a_directory(tmp_path):
    with pytest.raises(KanaryaError, match=r"--repository: .* is not a directory"):
        Places(str(tmp_path / "nowhere"))


# --- what the index says ---------------------------------------------------------------------------------------------


def test_the_index_has_every_version_that_lies_there_or_answers_with_its_state_and_why():
    versions = Versions().put("iris", "7", 7).put("iris", "8", 8).put("moved", "1", 1)

    entries = index(
        {"iris": ("6", "7", "8", "9", "10", "11"), "empty": ()},
        versions,
        leaving={("iris", "6"): 3, ("gone", "1"): 1},
        loading=("iris", "10"),
        failed={("iris", "9"): "model.onnx: has another digest", ("iris", "7"): "lies there changed"},
    )

    assert [tuple(entry) for entry in entries] == [
        ("gone", "1", State.UNAVAILABLE, "unloaded, with 1 requests to end"),
        ("iris", "6", State.UNAVAILABLE, "unloaded, with 3 requests to end"),
        ("iris", "7", State.READY, "lies there changed"),
        ("iris", "8", State.READY, "the default version"),
        ("iris", "9", State.UNAVAILABLE, "model.onnx: has another digest"),
        ("iris", "10", State.LOADING, ""),
        ("iris", "11", State.UNAVAILABLE, "not loaded"),
        ("moved", "1", State.READY, "the default version"),
    ]
