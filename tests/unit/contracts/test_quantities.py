from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from kanarya_contracts.metrics import DURATION_BUCKETS
from kanarya_contracts.quantities import Duration, Quantity, format_decimal, format_duration, parse_decimal, parse_duration

durations = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=100_000))
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e12"), max_value=Decimal("1e12"))


@settings(deadline=None)
@given(durations)
def test_every_duration_is_read_back_to_the_microsecond(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


@settings(deadline=None)
@given(decimals)
def test_every_decimal_is_read_back_to_the_last_digit(value: Decimal) -> None:
    assert str(parse_decimal(format_decimal(value))) == str(Decimal(format(value, "f")))


@settings(deadline=None)
@given(st.text(alphabet="0123456789.hms -\n", max_size=12))
@example("30000000000h")
def test_a_text_is_a_duration_exactly_if_the_published_schema_says_so_and_the_calendar_holds_it(text: str) -> None:
    published = Draft202012Validator({"pattern": TypeAdapter(Duration).json_schema()["pattern"]})
    try:
        parse_duration(text)
        accepted = True
    except ValueError as refusal:
        accepted = "at most" in str(refusal)  # of the form that is published, and longer than a schema can say
    assert accepted == (published.is_valid(text) and not text.endswith("\n"))


@pytest.mark.parametrize("bound", DURATION_BUCKETS)
def test_every_bound_of_the_histogram_can_be_written_as_a_duration(bound: float) -> None:
    assert parse_duration(format_duration(timedelta(seconds=bound))).total_seconds() == bound


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0s", timedelta(0)),
        ("250ms", timedelta(milliseconds=250)),
        ("2.5ms", timedelta(microseconds=2500)),
        ("1h30m", timedelta(minutes=90)),
        ("2.5s", timedelta(milliseconds=2500)),
        ("1h1m1.001s", timedelta(hours=1, minutes=1, seconds=1, milliseconds=1)),
    ],
)
def test_durations_are_written_as_kubernetes_writes_them(text: str, value: timedelta) -> None:
    assert (parse_duration(text), format_duration(value)) == (value, text)


@pytest.mark.parametrize("text", ["", "5", "-1s", "1 h", "1d", "s", "1s\n", ".5s", "١s", 30, 2.5, None, True])
def test_what_is_no_duration_is_refused_with_its_value_and_an_example(text: object) -> None:
    with pytest.raises(ValueError, match=r'expected a duration such as "30s"') as caught:
        parse_duration(text)
    assert f"got {text!r}" in str(caught.value)


def test_a_duration_beyond_the_calendar_is_refused_and_does_not_overflow() -> None:
    with pytest.raises(ValueError, match="expected a duration of at most 999999999 days"):
        parse_duration("9" * 30 + "h")


def test_a_negative_duration_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="expected a duration that is not negative"):
        format_duration(timedelta(seconds=-1))


@pytest.mark.parametrize("text", ["", "1e3", "NaN", "Infinity", "-inf", "1_000", " 1", "1\n", ".5", "1.", "+1", 0.1, 1, None])
def test_what_is_no_decimal_in_quotes_is_refused_with_its_value(text: object) -> None:
    with pytest.raises(ValueError, match=r'expected a number in quotes such as "1\.2"') as caught:
        parse_decimal(text)
    assert f"got {text!r}" in str(caught.value)


def test_a_tiny_decimal_is_written_without_an_exponent() -> None:
    assert TypeAdapter(Quantity).dump_json(Decimal("1E-7")) == b'"0.0000001"'
