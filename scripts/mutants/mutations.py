"""The mutants of a source file."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from mutants.operators import LOG_METHOD, OPERATORS, forced_conditions, is_log_call

#: What says nothing about behaviour: types, documentation, and assertions, which narrow types in this repository.
_WITHOUT_BEHAVIOUR = (cst.Annotation, cst.Import, cst.ImportFrom, cst.Assert, cst.Decorator, cst.Global, cst.Nonlocal)
_WITHOUT_EFFECT = m.If(test=m.Name("TYPE_CHECKING")) | m.Expr(
    value=m.SimpleString() | m.ConcatenatedString() | m.Call(func=LOG_METHOD)
)


@dataclass(frozen=True)
class Mutant:
    """A file with one change.

    Attributes:
        file: the source file, relative to the repository.
        scope: the class and function that holds the change; empty at the level of the module.
        before: the changed lines as they are, without their indentation.
        after: the changed lines as the mutant has them.
        number: distinguishes changes that are alike in all of the above, from 1.
        lines: the first and last line of the changed statement.
        at_import: whether the changed code runs when the module is imported.
        source: the whole mutated file.
    """

    file: str
    scope: str
    before: str
    after: str
    number: int
    lines: tuple[int, int]
    at_import: bool
    source: str

    @property
    def key(self) -> str:
        """What names this mutant as long as the code around it stays as it is."""
        return "\n".join((self.file, self.scope, self.before, self.after, str(self.number)))

    @property
    def diff(self) -> str:
        """The change for people to read."""
        removed = "".join(f"\n  - {line}" for line in self.before.splitlines())
        added = "".join(f"\n  + {line}" for line in self.after.splitlines())
        number = f" ({self.number})" if self.number > 1 else ""
        return f"{self.file}:{self.lines[0]} {self.scope or 'module'}{number}{removed}{added}"


def mutants_of(root: Path, file: str) -> list[Mutant]:
    """All mutants of ``file`` that differ from it, and from each other, in more than their layout."""
    source = (root / file).read_text()
    wrapper = MetadataWrapper(cst.parse_module(source))
    visitor = _Changes()
    wrapper.visit(visitor)
    splicer = _Splicer(wrapper.module)
    seen = {ast.dump(ast.parse(source))}
    counts: Counter[tuple[str, str, str]] = Counter()
    found = []
    for change in visitor.changes:
        mutated = splicer.apply(change)
        if (tree := _tree(mutated)) is None or tree in seen:
            continue
        seen.add(tree)
        before, after = _changed_lines(source, mutated)
        counts[change.scope, before, after] += 1
        number = counts[change.scope, before, after]
        found.append(Mutant(file, change.scope, before, after, number, change.lines, not change.in_function, mutated))
    return found


def _tree(source: str) -> str | None:
    try:
        compile(source, "mutant", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return ast.dump(ast.parse(source))


def _changed_lines(old: str, new: str) -> tuple[str, str]:
    before, after = ([line.strip() for line in text.splitlines()] for text in (old, new))
    while before and after and before[0] == after[0]:
        del before[0], after[0]
    while before and after and before[-1] == after[-1]:
        del before[-1], after[-1]
    return "\n".join(before), "\n".join(after)


@dataclass(frozen=True)
class _Change:
    """A node of a module and what replaces it; ``holder`` is the statement or condition around it."""

    old: cst.CSTNode
    new: cst.CSTNode
    holder: cst.CSTNode
    span: CodeRange
    scope: str
    in_function: bool

    @property
    def lines(self) -> tuple[int, int]:
        return self.span.start.line, self.span.end.line


class _Splicer:
    """Applies changes to the text of a module; replacing a node in the whole tree takes a hundred times as long."""

    def __init__(self, module: cst.Module) -> None:
        self._module = module
        self._lines = module.code.splitlines(keepends=True)
        self._tree = _tree(module.code)
        self._exact: dict[cst.CSTNode, bool] = {}

    def apply(self, change: _Change) -> str:
        if change.holder not in self._exact:
            self._exact[change.holder] = _tree(self._spliced(change.span, change.holder)) == self._tree
        if not self._exact[change.holder]:
            whole = self._module.deep_replace(change.old, change.new)
            assert isinstance(whole, cst.Module)
            return whole.code
        holder = change.new if change.holder is change.old else change.holder.deep_replace(change.old, change.new)
        assert isinstance(holder, cst.CSTNode)
        return self._spliced(change.span, holder)

    def _spliced(self, span: CodeRange, node: cst.CSTNode) -> str:
        start, end = span.start, span.end
        head = [*self._lines[: start.line - 1], self._lines[start.line - 1][: start.column]]
        tail = [self._lines[end.line - 1][end.column :], *self._lines[end.line :]]
        return "".join((*head, self._module.code_for_node(node), *tail))


class _Changes(cst.CSTVisitor):
    """Collects the changes that the operators make of a module."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[_Change] = []
        self._around: list[cst.CSTNode] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, _WITHOUT_BEHAVIOUR) or is_log_call(node) or m.matches(node, _WITHOUT_EFFECT):
            return False
        self._around.append(node)
        if isinstance(node, cst.If | cst.While):
            self._collect((node.test, mutated.test) for mutated in forced_conditions(node))
        self._collect((node, mutated) for mutated in _mutated(node))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if self._around and self._around[-1] is original_node:
            self._around.pop()

    def _collect(self, replacements: Iterable[tuple[cst.CSTNode, cst.CSTNode]]) -> None:
        scope = ".".join(n.name.value for n in self._around if isinstance(n, cst.FunctionDef | cst.ClassDef))
        for old, new in replacements:
            holder = self._holder(old)
            span = self.get_metadata(PositionProvider, holder)
            self.changes.append(_Change(old, new, holder, span, scope, self._in_function()))

    def _in_function(self) -> bool:
        """Whether the code runs when a function is called; defaults of parameters are computed at import."""
        functions = sum(isinstance(node, cst.FunctionDef) for node in self._around)
        return functions > sum(isinstance(node, cst.Parameters) for node in self._around)

    def _holder(self, node: cst.CSTNode) -> cst.CSTNode:
        """The small statement that holds ``node``; in the head of a compound one the whole expression."""
        holder = node
        for around in reversed(self._around):
            if isinstance(around, cst.BaseSmallStatement):
                return around
            if isinstance(around, cst.BaseCompoundStatement | cst.Parameters):
                break
            if isinstance(around, cst.BaseExpression):
                holder = around
        return holder


def _mutated(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for kind, operator in OPERATORS:
        if isinstance(node, kind):
            yield from operator(node)
