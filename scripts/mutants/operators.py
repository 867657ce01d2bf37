"""The changes that make a mutant: mutmut's operators, less those that only repeat each other, and four more.

mutmut neither removes statements nor touches a condition that is not a comparison, and it mutates no code outside of
functions; ``mutations.py`` applies the operators to the whole module instead.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import libcst as cst
import libcst.matchers as m
from mutmut.mutation import mutators

_LOGGERS = m.Name("logger") | m.Name("_log") | m.Name("log") | m.Name("logging") | m.Name("warnings")
LOG_METHOD = m.Attribute(value=_LOGGERS)
#: None in place of an argument of these can only raise a TypeError or say nothing about behaviour.
_OPAQUE_CALLS = m.Call(func=m.Name("isinstance") | m.Name("len") | m.Name("cast") | m.Name("super"))


def is_log_call(node: cst.CSTNode) -> bool:
    """Whether ``node`` writes to a log."""
    return m.matches(node, m.Call(func=LOG_METHOD))


def is_message(node: cst.CSTNode) -> bool:
    """Whether ``node`` is a string with white space in it: text for people, unlike keys, reasons and file names."""
    if isinstance(node, cst.ConcatenatedString):
        return is_message(node.left) or is_message(node.right)
    if isinstance(node, cst.FormattedString):
        return any(isinstance(part, cst.FormattedStringText) and _has_space(part.value) for part in node.parts)
    return isinstance(node, cst.SimpleString) and _has_space(str(node.evaluated_value))


def _has_space(text: str) -> bool:
    return any(character.isspace() for character in text)


def strings(node: cst.BaseString) -> Iterator[cst.CSTNode]:
    """Another text in place of a string that is no message (the first of mutmut's three variants)."""
    if is_message(node):
        return
    if isinstance(node, cst.SimpleString):
        yield from list(mutators.operator_string(node))[:1]
    if isinstance(node, cst.FormattedString):
        yield node.with_changes(parts=[cst.FormattedStringText("XX"), *node.parts])


def arguments(node: cst.Call) -> Iterator[cst.CSTNode]:
    """None in place of each positional argument, and the call without each keyword argument (from mutmut's).

    A positional argument is not dropped and a keyword argument does not become None: both mostly raise a TypeError.
    """
    if m.matches(node, _OPAQUE_CALLS):
        return
    for mutated in mutators.operator_arg_removal(node):
        dropped = len(mutated.args) < len(node.args)
        changed = next((i for i, arg in enumerate(mutated.args) if arg is not node.args[i]), len(mutated.args))
        argument = node.args[changed]
        if is_message(argument.value) or argument.star or dropped != (argument.keyword is not None):
            continue
        yield mutated
    if len(node.args) == 1 and node.args[0].keyword is not None and not is_message(node.args[0].value):
        yield node.with_changes(args=[])


def swapped_arguments(node: cst.Call) -> Iterator[cst.CSTNode]:
    """Two neighbouring positional arguments in each other's place."""
    if m.matches(node, _OPAQUE_CALLS):
        return
    for i, (first, second) in enumerate(zip(node.args, node.args[1:], strict=False)):
        if first.keyword or second.keyword or first.star or second.star or first.value.deep_equals(second.value):
            continue
        swapped = [first.with_changes(value=second.value), second.with_changes(value=first.value)]
        yield node.with_changes(args=[*node.args[:i], *swapped, *node.args[i + 2 :]])


def removed_statements(node: cst.BaseSmallStatement) -> Iterator[cst.CSTNode]:
    """``pass`` for a call, a ``raise``, an augmented assignment or a bare ``return``; None for what is returned."""
    if isinstance(node, cst.Return) and node.value is not None:
        if not m.matches(node.value, m.Name("None")):
            yield node.with_changes(value=cst.Name("None"), whitespace_after_return=cst.SimpleWhitespace(" "))
    elif isinstance(node, cst.Raise | cst.AugAssign | cst.Return) or (
        isinstance(node, cst.Expr) and isinstance(node.value, cst.Call | cst.Await | cst.Yield)
    ):
        yield cst.Pass()


def forced_conditions(node: cst.If | cst.While | cst.CompIf) -> Iterator[cst.CSTNode]:
    """A condition that always holds and one that never does; a ``while`` is not made endless."""
    test = _parenthesized(node.test)
    yield node.with_changes(test=cst.BooleanOperation(test, cst.And(), cst.Name("False")), **_space(node))
    if not isinstance(node, cst.While):
        yield node.with_changes(test=cst.BooleanOperation(test, cst.Or(), cst.Name("True")), **_space(node))


def _space(node: cst.If | cst.While | cst.CompIf) -> dict[str, cst.SimpleWhitespace]:
    name = {cst.If: "whitespace_before_test", cst.While: "whitespace_after_while", cst.CompIf: "whitespace_before_test"}
    return {name[type(node)]: cst.SimpleWhitespace(" ")}


def dropped_operands(node: cst.BooleanOperation) -> Iterator[cst.CSTNode]:
    """``a and b``, ``a or b`` without one of the two."""
    yield _parenthesized(node.left)
    yield _parenthesized(node.right)


def _parenthesized(node: cst.BaseExpression) -> cst.BaseExpression:
    if node.lpar:
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


Operator = Callable[[Any], Iterable[cst.CSTNode]]
_REPLACED = {mutators.operator_string, mutators.operator_arg_removal}

OPERATORS: list[tuple[type | tuple[type, ...], Operator]] = [
    *((kind, operator) for kind, operator in mutators.mutation_operators if operator not in _REPLACED),
    (cst.BaseString, strings),
    (cst.Call, arguments),
    (cst.Call, swapped_arguments),
    (cst.BaseSmallStatement, removed_statements),
    (cst.CompIf, forced_conditions),
    (cst.BooleanOperation, dropped_operands),
]
