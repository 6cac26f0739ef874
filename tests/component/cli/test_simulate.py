"""`kanarya simulate`: a person's traffic in words, rules side by side, the same seed the same figures."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kanarya_cli.app import app
from kanarya_contracts.problems import KanaryaError

MANIFEST = "manifests/iris/modelrollout.yaml"


def simulate(*options: str) -> str:
    result = CliRunner().invoke(app, ["simulate", MANIFEST, "--rollouts", "60", *options], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def shares(*options: str) -> dict[tuple[str, str], dict]:
    rows = json.loads(simulate("-o", "json", *options))["rows"]
    return {(row["rule"], row["challenger"]): row for row in rows}


def test_on_low_traffic_documented_thresholds_promote_what_ours_does_not():
    found = shares("--rate", "12/min", "--error-rate", "0.5%")
    assert found["Flagger, as documented", "10x errors"]["promoted"] > 0.8
    assert found["Kanarya", "10x errors"]["promoted"] == 0
    assert found["strict 99 %", "identical"]["rolledBack"] > 0.5
    assert found["Kanarya", "identical"]["rolledBack"] <= 0.05


def test_the_units_of_rates_and_shares_do_not_matter():
    assert shares("--rate", "30/min", "--error-rate", "1%") == shares("--rate", "0.5/s", "--error-rate", "0.01")


def test_the_table_has_a_line_for_every_rule_and_says_how_it_was_made():
    text = simulate("--rate", "2/s", "--labels", "50%", "--label-delay", "5", "--seed", "3")
    for said in ("Kanarya", "Argo Rollouts, as documented", "accuracy -5 points", "60 rollouts of each kind, seed 3"):
        assert said in text


def test_a_picture_is_drawn_where_it_is_asked_for(tmp_path):
    simulate("--plot", str(tmp_path / "plot.png"))
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rate", "12"), ["--rate: got '12', expected a rate such as 12/min, 2/s or 500/h"]),
        (("--rate", "0/s"), ["--rate: got '0/s', expected a rate such as 12/min, 2/s or 500/h"]),
        (
            ("--error-rate", "x", "--slow", "120%"),
            [
                "--error-rate: got 'x', expected a share such as 0.5% or 0.005",
                "--slow: got '120%', expected a share such as 0.5% or 0.005",
            ],
        ),
    ],
)
def test_traffic_that_is_none_is_named_all_at_once(options, said):
    result = CliRunner().invoke(app, ["simulate", MANIFEST, *options])
    assert isinstance(result.exception, KanaryaError)
    assert [line.strip() for line in str(result.exception).splitlines()[1:]] == said


def test_a_picture_of_no_known_kind_is_refused_and_takes_no_figures_with_it(tmp_path):
    result = CliRunner().invoke(app, ["simulate", MANIFEST, "--rollouts", "10", "--plot", str(tmp_path / "plot.doc")])
    assert isinstance(result.exception, KanaryaError)
    assert "plot.doc" in str(result.exception)
    assert "Flagger, as documented" in result.stdout


def an_ab_test(tmp_path, goal: str) -> str:
    test = f"    abTest: {{sticky: {{cookie: uid}}, goal: {goal}, minimumDuration: 12h}}\n"
    text = Path(MANIFEST).read_text(encoding="utf-8").replace("deadline: 1h ", "deadline: 240h ")
    begin, end = text.index("    canary:"), text.index("  analysis:")
    (tmp_path / "rollout.yaml").write_text(text[:begin] + test + text[end:])
    return str(tmp_path / "rollout.yaml")


SHARE, MEAN = '{name: buy, minimumEffect: "0.1"}', '{name: revenue, minimumEffect: "10", scores: {high: "100"}}'


@pytest.mark.parametrize(
    ("goal", "options"), [(SHARE, ("--reached", "30%")), (MEAN, ("--mean", "30", "--spread", "20"))], ids=["share", "mean"]
)
def test_an_ab_test_ends_as_it_should_and_seldom_otherwise_and_says_after_how_many_users(tmp_path, goal, options):
    run = ["simulate", an_ab_test(tmp_path, goal), "--users", "300/d", "--rollouts", "40", *options]
    result = CliRunner().invoke(app, [*run, "-o", "json"], catch_exceptions=False)
    rows = {row["challenger"]: row for row in json.loads(result.stdout)["rows"]}
    assert list(rows) == ["alike", "+minimumEffect", "-minimumEffect", "+2 x minimumEffect", "-2 x minimumEffect"]
    for row in rows.values():
        assert row["winner"] + row["no difference"] + row["loser"] + row["not enough data"] == pytest.approx(1)
        assert row[row["right"]] + row["not enough data"] >= 0.9
    assert rows["+2 x minimumEffect"]["winner"] == 1
    assert rows["-2 x minimumEffect"]["challengersUsers"]["median"] < rows["alike"]["challengersUsers"]["median"]
    assert rows["+2 x minimumEffect"]["seconds"]["median"] >= 12 * 3600
    assert CliRunner().invoke(app, [*run, "-o", "json"]).stdout == result.stdout


def test_the_table_of_an_ab_test_says_how_its_tests_end_and_a_picture_is_drawn(tmp_path):
    file = an_ab_test(tmp_path, SHARE)
    run = ["simulate", file, "--reached", "30%", "--rollouts", "10", "--plot", str(tmp_path / "plot.svg")]
    text = CliRunner().invoke(app, run, catch_exceptions=False).stdout
    for said in ("+2 x minimumEffect", "100.0%", "10 A/B tests of each kind, seed 1, 100 looks until 240h"):
        assert said in text
    assert "<svg" in (tmp_path / "plot.svg").read_text()


@pytest.mark.parametrize(
    ("goal", "options", "said"),
    [
        (
            SHARE,
            ("--users", "9", "--reached", "x"),
            ["--users: got '9', expected a rate", "--reached: got 'x', expected a share"],
        ),
        (SHARE, ("--reached", "0%"), ["--reached: got 0, expected a share between 0 and 1"]),
        (MEAN, (), ["--mean: is missing; the goal is a mean", "--spread: is missing; the goal is a mean"]),
        (MEAN, ("--mean", "130", "--spread", "1"), ["--mean: got 130 and spread 1, expected a mean between 0 and 100"]),
        (MEAN, ("--mean", "50", "--spread", "51"), ["--mean: got 50 and spread 51, expected a spread above 0 and below 50"]),
        (MEAN, ("--reached", "1%"), ["--reached: goes with an A/B test on a share"]),
        (SHARE, ("--rate", "1/s", "--mean", "3"), ["--rate: goes with a canary", "--mean: goes with an A/B test on a mean"]),
    ],
)
def test_users_that_cannot_be_are_named_all_at_once(tmp_path, goal, options, said):
    result = CliRunner().invoke(app, ["simulate", an_ab_test(tmp_path, goal), *options])
    assert isinstance(result.exception, KanaryaError)
    lines = [line.strip() for line in str(result.exception).splitlines()[1:]]
    assert [line[: len(expected)] for line, expected in zip(lines, said, strict=True)] == said


def test_a_replay_of_several_challengers_is_refused_with_what_to_do_instead(tmp_path):
    test = '    abTest: {sticky: {cookie: uid}, goal: {name: buy, minimumEffect: "0.01"}, rivals: [{alias: bold, split: 10}]}\n'
    text = Path(MANIFEST).read_text(encoding="utf-8")
    begin, end = text.index("    canary:"), text.index("  analysis:")
    (tmp_path / "rollout.yaml").write_text(text[:begin] + test + text[end:])
    result = CliRunner().invoke(app, ["replay", str(tmp_path / "rollout.yaml"), "-"])
    assert isinstance(result.exception, KanaryaError)
    assert "spec.strategy.abTest.rivals: a replay has one challenger; take the rivals out" in str(result.exception)
