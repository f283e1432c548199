"""Classes cut out of emitted modules, with everything they use, into one file."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
UNNAMED = frozenset({"forward", "backward", "setup_context", "train"})  # methods that a framework calls
SCOPES = (*DEFINITIONS[:2], ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class Linked:
    """One file's text without imports of emitted modules, what each requested class is called in it, and the modules
    that its definitions are from."""

    imports: tuple[str, ...]
    definitions: str
    names: Mapping[str, str]
    modules: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(["from __future__ import annotations\n", *self.imports, "", "", self.definitions])


def link(
    modules: Mapping[str, str],
    names: Sequence[str],
    reserved: Sequence[str] = (),
    whole: Callable[[str], bool] = lambda module: True,
) -> Linked:
    """Cut the classes `names` ("package.module.Class") and their closure out of emitted `modules` (path -> text).

    Definitions keep their text and comments; those that would share a name with another, or have a reserved one, get
    their module's name appended. Classes of modules that are not `whole` keep only methods whose names are spelled
    somewhere in what is cut out, and those that are called without being named. Raises KeyError when a class is not
    there.
    """
    linker = _Linker({dotted(path): (path, text) for path, text in modules.items()}, whole)
    for name in names:
        linker.need(linker.resolve(*name.rpartition(".")[::2]))
    linker.need_spelled_methods()
    return linker.linked(names, reserved)


def module_loaded_later(statement: ast.stmt, dotted: str) -> tuple[str, str] | None:
    """(local name, emitted module) of `local = later(__name__, "..module")` in the emitted module `dotted`."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
        return None
    if ast.unparse(statement.value.func) != "later":
        return None
    path = ast.literal_eval(statement.value.args[1])
    name = path.lstrip(".")
    above = dotted.split(".")[: dotted.count(".") + 2 - (len(path) - len(name))]
    return ast.unparse(statement.targets[0]), ".".join([*above, name])


def dotted(path: str) -> str:
    """The module at the path of an emitted file."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


@dataclass(frozen=True)
class _Symbol:
    """A definition: its module and its name there."""

    module: str
    name: str


@dataclass(frozen=True)
class _External:
    """What an import of something that is no emitted module binds: (module, name or None, local name)."""

    module: str
    name: str | None
    local: str

    @property
    def statement(self) -> str:
        target = self.module if self.name is None else self.name
        plain = target.split(".")[0] == self.local
        bound = target if plain else f"{target} as {self.local}"
        return f"import {bound}" if self.name is None else f"from {self.module} import {bound}"


@dataclass(frozen=True, eq=False)
class _Unit:
    """One statement of a module: its lines, the names it binds, and where it uses which global names."""

    first: int
    last: int
    binds: tuple[str, ...]
    node: ast.stmt
    uses: tuple[ast.Name, ...]
    methods: tuple[_Method, ...] = ()


@dataclass(frozen=True)
class _Method:
    """A method of a class that may be left out, and its lines."""

    name: str
    first: int
    last: int


class _Module:
    def __init__(self, dotted: str, path: str, text: str, known: Iterable[str]):
        self.dotted, self.path, self.lines = dotted, path, text.split("\n")
        self.is_package = path.endswith("__init__.py")
        self.imports: dict[str, _Symbol | _External | str] = {}  # a str is an emitted module
        self.units: list[_Unit] = []
        known = set(known)
        self.completions: list[tuple[frozenset[str], _Unit]] = []  # (constants, statement that changes them later)
        for statement in ast.parse(text).body:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                self._import(statement, known)
            elif (loaded := module_loaded_later(statement, dotted)) is not None and loaded[1] in known:
                self.imports[loaded[0]] = loaded[1]
            elif isinstance(statement, (ast.Expr, ast.For)):
                unit = replace(self._unit(statement), binds=())  # a loop variable keeps its name, others avoid it
                if unit.uses:
                    self.completions.append((self._reaches(unit), unit))
            else:
                self.units.append(self._unit(statement))
        self.defined = {name: unit for unit in self.units for name in unit.binds}

    def _reaches(self, unit: _Unit) -> frozenset[str]:
        """The module's names that a statement uses, and those that their values use: it may change any of them."""
        found: set[str] = set()
        waiting = [use.id for use in unit.uses]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                constants = (u for u in self.units_of(name) if not isinstance(u.node, DEFINITIONS))
                waiting += [use.id for constant in constants for use in constant.uses]
        return frozenset(found)

    def units_of(self, name: str) -> list[_Unit]:
        return [unit for unit in self.units if name in unit.binds]

    def _import(self, statement: ast.Import | ast.ImportFrom, known: set[str]) -> None:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                local = alias.asname or alias.name.split(".")[0]
                self.imports[local] = _External(alias.name, None, local)
            return
        base = self._absolute(statement)
        if base == "__future__":
            return
        for alias in statement.names:
            local = alias.asname or alias.name
            if f"{base}.{alias.name}" in known:
                self.imports[local] = f"{base}.{alias.name}"
            elif base in known:
                self.imports[local] = _Symbol(base, alias.name)
            else:
                self.imports[local] = _External(base, alias.name, local)

    def _absolute(self, statement: ast.ImportFrom) -> str:
        parts = self.dotted.split(".")
        up = statement.level - self.is_package
        base = parts[: len(parts) - up] if statement.level else []
        return ".".join([*base, *(statement.module.split(".") if statement.module else [])])

    def _unit(self, statement: ast.stmt) -> _Unit:
        decorators = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
        while first > 1 and self.lines[first - 2].startswith("#"):  # a comment above belongs to what is below
            first -= 1
        uses = tuple(global_names(statement))
        methods = tuple(self._methods(statement)) if isinstance(statement, ast.ClassDef) else ()
        return _Unit(first, statement.end_lineno or first, tuple(_bound(statement)), statement, uses, methods)

    def _methods(self, statement: ast.ClassDef) -> Iterator[_Method]:
        for node in statement.body:
            if isinstance(node, DEFINITIONS[:2]) and not node.name.startswith("__") and node.name not in UNNAMED:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                while self.lines[first - 2].lstrip().startswith("#"):
                    first -= 1
                yield _Method(node.name, first, node.end_lineno or first)


class _Linker:
    def __init__(self, sources: Mapping[str, tuple[str, str]], whole: Callable[[str], bool]):
        self._sources = sources
        self._whole = whole
        self._left_out: dict[int, tuple[_Method, ...]] = {}  # of units by id
        self._modules: dict[str, _Module] = {}
        self._needed: dict[_Symbol, None] = {}
        self._externals: dict[_External, None] = {}
        self._completions: dict[tuple[str, _Unit], None] = {}

    def module(self, dotted: str) -> _Module:
        if dotted not in self._modules:
            self._modules[dotted] = _Module(dotted, *self._sources[dotted], self._sources)
        return self._modules[dotted]

    def resolve(self, module: str, name: str) -> _Symbol | _External | str:
        """What a global name of a module means, through re-exports. Raises KeyError."""
        if module not in self._sources:
            raise KeyError(f"{module}.{name}: no emitted module {module}")
        found = self.module(module)
        if name in found.defined:
            return _Symbol(module, name)
        target = found.imports.get(name)
        if target is None:
            raise KeyError(f"{module}.{name}: {found.path} defines no {name}")
        return self.resolve(target.module, target.name) if isinstance(target, _Symbol) else target

    def need(self, target: _Symbol | _External | str) -> None:
        """Take a definition and everything it uses."""
        waiting = [target]
        while waiting:
            current = waiting.pop()
            if isinstance(current, _External):
                self._externals[current] = None
            elif isinstance(current, _Symbol) and current not in self._needed:
                self._needed[current] = None
                module = self.module(current.module)
                completing = [unit for names, unit in module.completions if current.name in names]
                self._completions.update(dict.fromkeys((current.module, unit) for unit in completing))
                for unit in (*module.units_of(current.name), *completing):
                    if unit.methods and not self._whole(current.module):
                        self._left_out.setdefault(id(unit), unit.methods)
                    waiting.extend(meaning for _, meaning in self._meanings(current.module, unit))
                for unit in module.units_of(current.name):
                    waiting.extend(_Symbol(current.module, name) for name in unit.binds)

    def need_spelled_methods(self) -> None:
        """Take the methods that are spelled somewhere in what is taken, and everything they use."""
        while True:
            units = [(s.module, unit) for s in self._needed for unit in self.module(s.module).units_of(s.name)]
            spelled = {name for _, unit in (*units, *self._completions) for name in self._spelled(unit)}
            coming = [(module, unit) for module, unit in units if spelled & {m.name for m in self._out(unit)}]
            if not coming:
                return
            for _, unit in coming:
                self._left_out[id(unit)] = tuple(m for m in self._out(unit) if m.name not in spelled)
            for module, unit in coming:
                for _, meaning in list(self._meanings(module, unit)):
                    self.need(meaning)

    def _out(self, unit: _Unit) -> tuple[_Method, ...]:
        return self._left_out.get(id(unit), ())

    def _spelled(self, unit: _Unit) -> Iterator[str]:
        """What the kept part of a unit spells."""
        out = {method.name for method in self._out(unit)}
        if isinstance(unit.node, ast.ClassDef):
            for node in (*unit.node.decorator_list, *unit.node.bases, *unit.node.keywords, *unit.node.body):
                if not isinstance(node, DEFINITIONS[:2]) or node.name not in out:
                    yield from _spelled(node)
        else:
            yield from _spelled(unit.node)

    def _meanings(self, module: str, unit: _Unit) -> Iterator[tuple[ast.expr, _Symbol | _External]]:
        """(expression, meaning) of every global name; `helpers.f` of an emitted module `helpers` is one expression."""
        gone = {line for method in self._out(unit) for line in range(method.first, method.last + 1)}
        for use in unit.uses:
            if use.lineno in gone:
                continue
            found = self.module(module)
            if use.id not in found.defined and use.id not in found.imports:
                continue  # a builtin
            meaning = self.resolve(module, use.id)
            expression: ast.expr = use
            while isinstance(meaning, str):
                parent = self._parent(unit, expression)
                below = f"{meaning}.{parent.attr}"
                meaning = below if below in self._sources else self.resolve(meaning, parent.attr)
                expression = parent
            yield expression, meaning

    @staticmethod
    def _parent(unit: _Unit, expression: ast.expr) -> ast.Attribute:
        return next(n for n in ast.walk(unit.node) if isinstance(n, ast.Attribute) and n.value is expression)

    def linked(self, names: Sequence[str], reserved: Sequence[str]) -> Linked:
        called = self._called(reserved)
        requested = {name: self.resolve(*name.rpartition(".")[::2]) for name in names}
        # What completes a constant runs when all is defined; only functions read it, and they run later still.
        ordered = [*self._ordered(), *self._completions]
        text = "\n\n\n".join(self._text(module, unit, called) for module, unit in ordered)
        imports = sorted({_External(e.module, e.name, called[e]).statement for e in self._externals}, key=_import_order)
        found = {name: called[target] for name, target in requested.items()}  # type: ignore[index]
        return Linked(tuple(imports), text, found, tuple(sorted({symbol.module for symbol in self._needed})))

    def _called(self, reserved: Sequence[str]) -> dict[_Symbol | _External, str]:
        """A name for everything: its own where it is free, else with its module's."""
        called: dict[_Symbol | _External, str] = {}
        taken = {*dir(builtins), *reserved, *(name for _, unit in self._completions for name in _bound(unit.node))}
        targets: list[_External | _Symbol] = [*self._externals, *self._needed]
        hidden = self._hidden()
        for target in targets:
            own = target.local if isinstance(target, _External) else target.name
            called[target] = _free(own, target.module, taken | hidden.get(target, set()))
            taken.add(called[target])
        return called

    def _hidden(self) -> dict[_Symbol | _External, set[str]]:
        """Names that a definition cannot have, as they are variables of a function that uses it by another name."""
        hidden: dict[_Symbol | _External, set[str]] = {}
        units = {id(u): (s.module, u) for s in self._needed for u in self.module(s.module).units_of(s.name)}
        for module, unit in [*units.values(), *self._completions]:
            variables = {n for node in ast.walk(unit.node) if isinstance(node, SCOPES) for n in _locals(node)}
            for expression, meaning in self._meanings(module, unit) if variables else ():
                hidden.setdefault(meaning, set()).update(variables - {ast.unparse(expression)})
        return hidden

    def _ordered(self) -> list[tuple[str, _Unit]]:
        """Units such that what is needed while a definition is executed stands above it; else in source order."""
        ordered: dict[int, tuple[str, _Unit]] = {}
        visiting: set[int] = set()

        def visit(module: str, unit: _Unit) -> None:
            if id(unit) not in visiting:
                visiting.add(id(unit))
                read = self._read_above(module, unit)
                for needed in read:
                    visit(*needed)
                for needed in self._called_above(unit, read):
                    if not waits(*needed):
                        visit(*needed)
                ordered[id(unit)] = (module, unit)

        def waits(module: str, unit: _Unit) -> bool:
            """Whether executing a unit reads one that is being placed: what may be called then is not called yet."""
            found = [(module, unit)]
            for current in found:  # grows
                if id(current[1]) in visiting and id(current[1]) not in ordered:
                    return True
                if id(current[1]) not in ordered:
                    found += [other for other in self._read_above(*current) if other not in found]
            return False

        for dotted in reversed(dict.fromkeys(symbol.module for symbol in self._needed)):
            wanted = {symbol.name for symbol in self._needed if symbol.module == dotted}
            for unit in self.module(dotted).units:
                if wanted & set(unit.binds):
                    visit(dotted, unit)
        return list(ordered.values())

    def _read_above(self, module: str, unit: _Unit) -> list[tuple[str, _Unit]]:
        """What executing the statement reads."""
        return self._used_units(module, unit, {id(node) for node in _executed(unit.node)})

    def _called_above(self, unit: _Unit, read: Sequence[tuple[str, _Unit]]) -> list[tuple[str, _Unit]]:
        """All that lies behind what the statement reads, where it may call that."""
        calls = any(isinstance(node, ast.Call) for node in _executed(unit.node))
        if not calls and not getattr(unit.node, "decorator_list", None):
            return []
        found = list(read)
        for needed in found:  # grows
            found += [other for other in self._used_units(*needed, None) if other not in found]
        return found[len(read) :]

    def _used_units(self, module: str, unit: _Unit, only: set[int] | None) -> list[tuple[str, _Unit]]:
        return [
            (meaning.module, used)
            for expression, meaning in self._meanings(module, unit)
            if isinstance(meaning, _Symbol) and (only is None or id(_root(expression)) in only)
            for used in self.module(meaning.module).units_of(meaning.name)
        ]

    def _text(self, dotted: str, unit: _Unit, called: Mapping[_Symbol | _External, str]) -> str:
        module = self.module(dotted)
        lines = [line.encode() for line in module.lines[unit.first - 1 : unit.last]]
        patches = [
            (expression.lineno, expression.col_offset, expression.end_col_offset, called[meaning])
            for expression, meaning in self._meanings(dotted, unit)
            if ast.unparse(expression) != called[meaning]
        ]
        for name in unit.binds:
            if (new := called[_Symbol(dotted, name)]) != name:
                patches += list(_binding_patches(unit.node, name, new, lines, unit.first))
        for line, start, end, new in sorted(set(patches), reverse=True):
            old = lines[line - unit.first]
            lines[line - unit.first] = old[:start] + new.encode() + old[end:]
        gone = {line for method in self._out(unit) for line in range(method.first, method.last + 1)}
        kept = [line for number, line in enumerate(lines, unit.first) if number not in gone]
        if isinstance(unit.node, ast.ClassDef) and gone >= {node.lineno for node in unit.node.body}:
            kept.append(b" " * unit.node.body[0].col_offset + b"pass")
        return b"\n".join(kept).decode().rstrip()


def _spelled(node: ast.AST) -> Iterator[str]:
    """Names and attributes that code mentions, and words of its strings, by which methods may be looked up."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.isidentifier():
            yield part.value


def _binding_patches(
    node: ast.stmt, name: str, new: str, lines: Sequence[bytes], first: int
) -> Iterator[tuple[int, int, int, str]]:
    if isinstance(node, DEFINITIONS):
        keyword = {ast.ClassDef: "class ", ast.FunctionDef: "def ", ast.AsyncFunctionDef: "async def "}[type(node)]
        start = node.col_offset + len(keyword)
        yield node.lineno, start, start + len(name.encode()), new
        return
    for target in ast.walk(node):
        if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store) and target.id == name:
            yield target.lineno, target.col_offset, target.end_col_offset, new  # type: ignore[misc]


def _free(name: str, module: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        longer = "_".join([name, *parts[-count:]])
        if longer not in taken:
            return longer
    return next(n for i in range(2, len(taken) + 3) if (n := f"{name}_{i}") not in taken)


def _import_order(statement: str) -> tuple[bool, str]:
    return statement.startswith("from translators"), statement


def _root(expression: ast.expr) -> ast.expr:
    while isinstance(expression, ast.Attribute):
        expression = expression.value
    return expression


def _bound(statement: ast.AST) -> Iterator[str]:
    """Names that a module-level statement binds."""
    if isinstance(statement, DEFINITIONS):
        yield statement.name
    elif isinstance(statement, ast.Name):
        if isinstance(statement.ctx, ast.Store):
            yield statement.id
    elif not isinstance(statement, SCOPES):
        for child in ast.iter_child_nodes(statement):
            yield from _bound(child)


def _executed(statement: ast.AST) -> Iterator[ast.AST]:
    """What is evaluated while the module is loaded: bases, decorators, defaults, values; no bodies of functions."""
    yield statement
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        defaults = [*statement.args.defaults, *statement.args.kw_defaults]
        parts: Iterable[ast.AST | None] = [*getattr(statement, "decorator_list", []), *defaults]
    else:
        annotation = statement.annotation if isinstance(statement, ast.AnnAssign) else None
        parts = (child for child in ast.iter_child_nodes(statement) if child is not annotation)
    for part in parts:
        if part is not None:
            yield from _executed(part)


def global_names(statement: ast.stmt) -> Iterator[ast.Name]:
    """Every read of a name that no function, lambda or comprehension around it binds."""
    return _reads(statement, ())


def _reads(node: ast.AST, scopes: tuple[frozenset[str], ...]) -> Iterator[ast.Name]:
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load) and not any(node.id in scope for scope in scopes):
            yield node
        return
    if isinstance(node, SCOPES):
        inner = (*scopes, frozenset(_locals(node)))
        outside = {id(part) for part in (*getattr(node, "decorator_list", []), getattr(node, "returns", None))}
        if generators := getattr(node, "generators", None):
            yield from _reads(generators[0].iter, scopes)  # evaluated around the comprehension
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.arguments):
                for argument in (*child.posonlyargs, *child.args, *child.kwonlyargs, child.vararg, child.kwarg):
                    if argument is not None and argument.annotation is not None:
                        yield from _reads(argument.annotation, scopes)
                for default in (*child.defaults, *child.kw_defaults):
                    if default is not None:
                        yield from _reads(default, scopes)
            else:
                yield from _reads(child, scopes if id(child) in outside else inner)
        return
    for child in ast.iter_child_nodes(node):
        yield from _reads(child, scopes)


def _locals(scope: ast.AST) -> Iterator[str]:
    """Names that a function, lambda or comprehension binds (a name said to be global is none)."""
    arguments = getattr(scope, "args", None)
    if isinstance(arguments, ast.arguments):
        for argument in ast.walk(arguments):
            if isinstance(argument, ast.arg):
                yield argument.arg
    body = [scope] if isinstance(scope, SCOPES[2:]) else getattr(scope, "body", [])
    waiting = [child for item in body for child in (ast.iter_child_nodes(item) if item is scope else [item])]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield node.id
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        if isinstance(node, DEFINITIONS):
            yield node.name
        elif not isinstance(node, SCOPES):
            waiting.extend(ast.iter_child_nodes(node))
