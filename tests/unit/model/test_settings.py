"""Flags and environment variables."""

import argparse

import pytest

from kanarya_contracts.problems import InvalidInput
from kanarya_model import hosted
from kanarya_model.__main__ import main
from kanarya_model.settings import arguments, settings


def parse(*argv, **environment):
    parser = argparse.ArgumentParser()
    arguments(parser)
    return settings(vars(parser.parse_args(argv)), {f"KANARYA_MODEL_{name}": value for name, value in environment.items()})


def test_defaults_are_what_a_laptop_wants():
    chosen = parse("model")

    assert (chosen.dir, chosen.host, chosen.port, chosen.onnx_threads) == ("model", "127.0.0.1", 8080, 1)
    assert chosen.keep_alive_seconds == 75
    assert chosen.most_body_bytes == 16 * 1024 * 1024


def test_a_flag_wins_over_the_environment_which_wins_over_the_default():
    chosen = parse("model", "--port", "1", PORT="2", DRAIN_SECONDS="3.5", DIR="other")

    assert (chosen.port, chosen.drain_seconds, chosen.dir) == (1, 3.5, "model")


def test_the_environment_alone_is_enough():
    assert parse(DIR="s3://bucket/prefix", VERSION="7").dir == "s3://bucket/prefix"


def test_every_problem_is_reported_at_once():
    with pytest.raises(InvalidInput) as wrong:
        parse("--port", "70000", "--digest", "abc", "--drain-seconds", "nan", "--name", "a/b", VERSION="a b")

    message = str(wrong.value)
    for words in (
        "DIR: is missing",
        "--port: got '70000', expected an integer from 0 to 65535",
        "--digest: got 'abc', expected text",
    ):
        assert words in message
    for words in ("--drain-seconds: got 'nan'", "--name: got 'a/b'", "KANARYA_MODEL_VERSION: got 'a b'"):
        assert words in message


def test_a_misspelt_variable_is_refused_with_the_right_name_beside_every_other_problem():
    with pytest.raises(InvalidInput) as wrong:
        parse("model", DRAIN_SECOND="5", MOST_ROWS="many", ANYTHING="1")

    assert [str(problem) for problem in wrong.value.problems] == [
        "KANARYA_MODEL_ANYTHING: is no setting",
        "KANARYA_MODEL_DRAIN_SECOND: is no setting; did you mean KANARYA_MODEL_DRAIN_SECONDS?",
        "KANARYA_MODEL_MOST_ROWS: got 'many', expected an integer from 1 to 1e+15",
    ]


def test_a_service_called_kanarya_model_is_none_of_the_servers_settings():
    assert parse("model", SERVICE_HOST="10.96.0.7", SERVICE_PORT="80", PORT="tcp://10.96.0.7:80").port == 8080


@pytest.mark.parametrize(
    ("argv", "text", "wanted"), [((), None, False), ((), "true", True), (("--access-log",), "false", True)]
)
def test_a_switch_is_a_bare_flag_or_a_word_in_the_environment(argv, text, wanted):
    environment = {} if text is None else {"ACCESS_LOG": text}

    assert parse("model", *argv, **environment).access_log is wanted
    assert parse("model", "--no-access-log", **environment).access_log is False


def test_a_switch_that_is_neither_on_nor_off_is_refused():
    with pytest.raises(InvalidInput, match="KANARYA_MODEL_TRACES: got 'yes', expected true or false"):
        parse("model", TRACES="yes")


def test_a_repository_takes_the_place_of_one_model_with_all_that_is_said_of_it():
    assert parse("--repository", "models", "--most-loaded", "3").most_loaded == 3
    with pytest.raises(InvalidInput) as wrong:
        parse("model", "--version", "7", REPOSITORY="models", REQUEST_LOG="log")
    assert [str(problem) for problem in wrong.value.problems] == [
        f"{where}: is of one model, and KANARYA_MODEL_REPOSITORY of several"
        for where in ("DIR", "--version", "KANARYA_MODEL_REQUEST_LOG")
    ]
    with pytest.raises(InvalidInput, match="--repository-control: goes with --repository"):
        parse("model", "--repository-control")


def test_check_is_of_one_artifact(monkeypatch, capsys):
    monkeypatch.setenv("KANARYA_MODEL_REPOSITORY", "models")

    assert main(["check"]) == 2
    assert "DIR: is missing; one artifact is checked" in capsys.readouterr().err.splitlines()[-1]


def test_a_host_keeps_its_own_logs():
    with pytest.raises(TypeError, match="got request_log, expected some of"):
        hosted.chosen("model", {"request_log": "elsewhere"})


def test_a_wrong_flag_is_status_2_with_the_reason_on_the_last_line(capsys):
    assert main(["serve", "model", "--port", "x"]) == 2

    assert capsys.readouterr().err.splitlines()[-1] == (
        "kanarya-model: settings: --port: got 'x', expected an integer from 0 to 65535"
    )


def test_check_refuses_with_status_2(tmp_path, capsys):
    assert main(["check", str(tmp_path)]) == 2

    assert "kanarya.json cannot be read" in capsys.readouterr().err.splitlines()[-1]
