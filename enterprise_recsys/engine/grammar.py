"""A filter's text becomes a small tree: comparisons of item fields, joined by and, or, not; nothing is executed.

::

    expression := both ("or" both)*
    both       := one ("and" one)*
    one        := "not" one | "(" expression ")" | comparison
    comparison := field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
                | field ["not"] "in" "[" value ("," value)* "]"
                | field ["not"] "contains" value
                | field "is" ["not"] "null"
    value      := 'text' | "text" | number | true | false
    field      := a word, or `any text` in backquotes

`contains` asks a field of several values for one of them, and a text for a part, in capitals or not.
Keywords may be written in capitals. In a text a backslash goes before a quote or a backslash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from enterprise_recsys.errors import ConfigError

LONGEST = 2_000
"""Signs of a filter."""
DEEPEST = 32
"""Levels of brackets and nots."""
MOST_COMPARISONS = 100
MOST_VALUES = 1_000
"""Values of one list."""

Operator = Literal[
    "=", "!=", "<", "<=", ">", ">=", "in", "not in", "contains", "not contains", "is null", "is not null"
]
Value: TypeAlias = str | float | int | bool


@dataclass(frozen=True)
class Comparison:
    """One comparison; false where the item has no value, whatever the operator, but for `is null`.

    Attributes:
        field: name as it was written.
        operator: what is compared how.
        values: one; several for `in`; none for `is null`.
        place: sign of the text where it begins, from 0, for messages.
    """

    field: str
    operator: Operator
    values: tuple[Value, ...]
    place: int


@dataclass(frozen=True)
class Not:
    """The items that the part does not hold for, those without a value among them."""

    part: Tree


@dataclass(frozen=True)
class Both:
    """The items that every part holds for (`and`)."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True)
class Either:
    """The items that at least one part holds for (`or`)."""

    parts: tuple[Tree, ...]


Tree: TypeAlias = Comparison | Not | Both | Either


@dataclass(frozen=True)
class Token:
    """A piece of the text: its kind, the text as written, and where it begins."""

    kind: str
    text: str
    place: int


_TOKENS = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    |(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<word>[^\W\d]\w*)
    |(?P<quoted>`[^`]+`)
    |(?P<sign><=|>=|!=|=|<|>|\(|\)|\[|\]|,)""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS = frozenset({"and", "or", "not", "in", "contains", "is", "null", "true", "false"})
_COMPARED = frozenset({"=", "!=", "<", "<=", ">", ">="})


def wrong(text: str, place: int, fault: str) -> ConfigError:
    """The one error of filters: where it is, what stands there, and what is wrong with it."""
    near = text[place : place + 24]
    where = f"at character {place + 1}, {near!r}" if near else "at its end"
    return ConfigError(f"the filter is wrong {where}: {fault}.")


def parse(text: str) -> Tree:
    """Read a filter.

    Raises:
        ConfigError: it is too long, too deep, or breaks the grammar; the message points at the place.

    >>> parse("price <= 50").operator
    '<='
    """
    if len(text) > LONGEST:
        raise ConfigError(f"the filter has {len(text)} signs; it should have at most {LONGEST}.")
    return _Reader(text).whole()


def _tokens(text: str) -> list[Token]:
    tokens, place = [], 0
    while place < len(text):
        found = _TOKENS.match(text, place)
        if found is None:
            raise wrong(text, place, _unreadable(text[place]))
        kind, piece = str(found.lastgroup), found.group()
        if kind == "word" and piece.lower() in _KEYWORDS:
            kind, piece = "keyword", piece.lower()
        if kind != "space":
            tokens.append(Token(kind, piece, place))
        place = found.end()
    return [*tokens, Token("end", "", len(text))]


def _unreadable(sign: str) -> str:
    if sign in "'\"`":
        return f"a text that begins with {sign} has no end"
    return "this is no field, value or operator; fields with odd names go into backquotes, texts into quotes"


class _Reader:
    """Recursive descent over the tokens: one method for each line of the grammar."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens = text, _tokens(text)
        self.at, self.comparisons = 0, 0

    def whole(self) -> Tree:
        tree = self.expression(0)
        if self.next.kind != "end":
            raise self.wrong("'and', 'or' or the end was expected")
        return tree

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def wrong(self, fault: str) -> ConfigError:
        return wrong(self.text, self.next.place, fault)

    def taken(self, *texts: str) -> str | None:
        """The next sign or keyword if it is one of these, which is then passed."""
        if self.next.kind in ("sign", "keyword") and self.next.text in texts:
            self.at += 1
            return self.tokens[self.at - 1].text
        return None

    def expression(self, depth: int) -> Tree:
        parts = [self.both(depth)]
        while self.taken("or"):
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def both(self, depth: int) -> Tree:
        parts = [self.one(depth)]
        while self.taken("and"):
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def one(self, depth: int) -> Tree:
        if depth > DEEPEST:
            raise self.wrong(f"brackets and nots go at most {DEEPEST} deep")
        if self.taken("not"):
            return Not(self.one(depth + 1))
        if self.taken("("):
            inner = self.expression(depth + 1)
            if not self.taken(")"):
                raise self.wrong("')' was expected")
            return inner
        return self.comparison()

    def comparison(self) -> Comparison:
        self.comparisons += 1
        if self.comparisons > MOST_COMPARISONS:
            raise self.wrong(f"a filter has at most {MOST_COMPARISONS} comparisons; use `in [...]` for many values")
        field = self.next
        if field.kind not in ("word", "quoted"):
            raise self.wrong("a field of the items was expected")
        self.at += 1
        operator, values = self.compared()
        return Comparison(field.text.strip("`"), operator, values, field.place)

    def compared(self) -> tuple[Operator, tuple[Value, ...]]:
        if self.taken("is"):
            negated = self.taken("not")
            if not self.taken("null"):
                raise self.wrong("'null' or 'not null' was expected")
            return ("is not null" if negated else "is null"), ()
        negated = self.taken("not")
        if self.taken("in"):
            return ("not in" if negated else "in"), self.listed()
        if self.taken("contains"):
            return ("not contains" if negated else "contains"), (self.value(),)
        if not negated and self.next.kind == "sign" and self.next.text in _COMPARED:
            operator: Operator = self.next.text  # type: ignore[assignment]
            self.at += 1
            return operator, (self.value(),)
        raise self.wrong("'in' or 'contains' was expected" if negated else "=, !=, <, <=, >, >=, in, contains or is")

    def listed(self) -> tuple[Value, ...]:
        if not self.taken("["):
            raise self.wrong("'[' was expected: in ['a', 'b']")
        values = [self.value()]
        while self.taken(","):
            if len(values) == MOST_VALUES:
                raise self.wrong(f"a list has at most {MOST_VALUES} values")
            values.append(self.value())
        if not self.taken("]"):
            raise self.wrong("',' or ']' was expected")
        return tuple(values)

    def value(self) -> Value:
        token = self.next
        if token.kind == "text":
            value: Value = re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
        elif token.kind == "number":
            value = self.number(token.text)
        elif token.kind == "keyword" and token.text in ("true", "false"):
            value = token.text == "true"
        elif token.text == "null":
            raise self.wrong("null is asked for as `field is null`")
        else:
            raise self.wrong("a value was expected: a text in quotes, a number, true or false")
        self.at += 1
        return value

    def number(self, text: str) -> float | int:
        number = float(text)
        if abs(number) > 1e300:
            raise self.wrong("a number is at most 1e300")
        # Whole numbers stay whole, so that ids and times of 19 digits are compared exactly.
        return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else number
