"""A filter's text is read as it was meant, or refused at the place where it breaks."""

import random

import pytest

from enterprise_recsys import ConfigError
from enterprise_recsys.engine.grammar import Both, Comparison, Either, Not, parse


def test_and_binds_closer_than_or_and_not_closest() -> None:
    tree = parse("a = 1 or not b = 2 and c = 3")
    assert tree == Either(
        (
            Comparison("a", "=", (1,), 0),
            Both((Not(Comparison("b", "=", (2,), 13)), Comparison("c", "=", (3,), 23))),
        )
    )


def test_brackets_go_first_and_keywords_may_be_capitals() -> None:
    assert parse("(a = 1 OR b = 2) AND c IS NOT NULL") == Both(
        (
            Either((Comparison("a", "=", (1,), 1), Comparison("b", "=", (2,), 10))),
            Comparison("c", "is not null", (), 21),
        )
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("'it\\'s'", "it's"),
        ('"a\\\\b"', "a\\b"),
        ("'and'", "and"),
        ("''", ""),
        ("-1.5e3", -1500.0),
        ("+7", 7),
        (".5", 0.5),
        ("999999999999999999", 999999999999999999),
        ("TRUE", True),
        ("false", False),
    ],
)
def test_a_value_is_read_as_written(written: str, meant: object) -> None:
    tree = parse(f"a = {written}")
    assert isinstance(tree, Comparison) and tree.values == (meant,) and type(tree.values[0]) is type(meant)


def test_lists_and_quoted_fields() -> None:
    assert parse("`item a-b` not in ['x', 2, true]") == Comparison("item a-b", "not in", ("x", 2, True), 0)
    assert parse("genres not contains 'War'") == Comparison("genres", "not contains", ("War",), 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at its end: a field of the items was expected"),
        ("price >> 5", "at character 8, '> 5': a value was expected: a text in quotes, a number, true or false"),
        ("price <= 5 5", "at character 12, '5': 'and', 'or' or the end was expected"),
        ("(a = 1", "at its end: '\\)' was expected"),
        ("a = 'open", "at character 5, \"'open\": a text that begins with ' has no end"),
        ("a = b", "at character 5, 'b': a value was expected"),
        ("a = null", "at character 5, 'null': null is asked for as `field is null`"),
        ("a in []", "at character 7, ']': a value was expected"),
        ("a in 'x'", "at character 6, \"'x'\": '\\[' was expected"),
        ("a in ['x' 'y']", "at character 11, .*: ',' or '\\]' was expected"),
        ("a is 3", "at character 6, '3': 'null' or 'not null' was expected"),
        ("a not = 3", "at character 7, '= 3': 'in' or 'contains' was expected"),
        ("a like 'x'", "at character 3, .*: =, !=, <, <=, >, >=, in, contains or is"),
        ("a = 1; drop", "at character 6, '; drop': this is no field, value or operator"),
        ("a = 12abc", "at character 5, '12abc': this is no field"),
        ("a = 1e999", "at character 5, '1e999': a number is at most 1e300"),
        ("a" * 2001, "has 2001 signs; it should have at most 2000"),
        ("(" * 40 + "a=1" + ")" * 40, "at character 34, .*: brackets and nots go at most 32 deep"),
        ("not " * 40 + "a=1", "brackets and nots go at most 32 deep"),
        (" or ".join(["a=1"] * 101), "a filter has at most 100 comparisons"),
        (f"a in [{','.join(['1'] * 990)},{','.join(['1'] * 8)}, 1,1,1]", "has 2009 signs"),
    ],
)
def test_a_fault_is_refused_at_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(text)


def test_two_thousand_random_texts_raise_nothing_but_the_one_error() -> None:
    generator = random.Random(0)
    pieces = [
        *"()[]',\"`=<>!.+-\\0aé \n\0🙂",
        " and ",
        " or ",
        "not ",
        " in ",
        " is ",
        "null",
        "contains",
        "1e9",
        "'x'",
        "year",
    ]
    read = 0
    for _ in range(2000):
        text = "".join(generator.choice(pieces) for _ in range(generator.randrange(60)))
        try:
            parse(text)
            read += 1
        except ConfigError as error:
            assert str(error).startswith("the filter is wrong at")
    assert read < 200
