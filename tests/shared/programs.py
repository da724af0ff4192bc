"""Random notebooks of a small grammar, almost all of which run: what a name holds shows in its first letter.

`a` is a stub module, `g` its function `make`, `w` its class, `t` what these make, `l` a list, `d` a dict, `n` anything,
`f` a function of the notebook, `h` one that returns functions, `k` one that decorates, `c` a class, `o` its instance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from textwrap import indent

from hypothesis import strategies as st
from oracle import PACKAGES, STUBS

ASSIGNED = "tldn"
"""Kinds of names that may hold anything that was computed."""
_TAKES = {"0": "n", "1": "ln", "2": "tn", "3": "dn"}
"""A function's last digit → kinds of its parameters: so it can change what it is handed."""


@dataclass
class Scope:
    """Where code stands: names that it may read."""

    names: frozenset[str]
    local: frozenset[str] = frozenset()
    """Those that are a function's own."""
    function: bool = False

    def having(self, *names: str) -> Scope:
        local = self.local | set(names) if self.function else self.local
        return Scope(self.names | set(names), local, self.function)

    def of(self, kind: str) -> list[str]:
        return sorted(name for name in self.names if name[0] == kind)


@dataclass
class Writer:
    """Draws code. `suffix` ends all names that it binds; `budget` bounds how much it writes."""

    draw: Callable
    suffix: str = ""
    budget: int = 40
    stubs: Sequence[str] = STUBS
    exclude: frozenset[str] = frozenset()
    used: int = 0

    def one_of(self, choices: Sequence):
        return choices[self.draw(st.integers(0, len(choices) - 1))]

    def stub(self) -> str:
        """Return a module that nothing else imports, as long as there are any: so no other way leads to it."""
        self.used += 1
        return self.stubs[(self.used - 1) % len(self.stubs)]

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) < percent

    def name(self, kinds: str) -> str:
        return f"{self.one_of(kinds)}{self.one_of('0123' if kinds == 'f' else '01')}{self.suffix}"

    # Expressions

    def pick(self, *parts: Callable[[Scope, int], str]) -> Callable[[Scope, int], str]:
        return self.one_of(parts)

    def of_kind(self, kind: str, scope: Scope, depth: int) -> str:
        if kind not in "tld":
            return self.anything(scope, depth)
        return {"t": self.thing, "l": self.list, "d": self.dict}[kind](scope, depth)

    def anything(self, scope: Scope, depth: int = 2) -> str:
        self.budget -= 1
        if depth <= 0 or self.budget <= 0 or self.chance(35):
            return self.atom(scope, depth)
        simple = (self.atom, self.thing, self.thing, self.list, self.dict, self.call, self.plain)
        return self.pick(*simple, self.function, self.choice, self.scoped, self.instance)(scope, depth - 1)

    def atom(self, scope: Scope, depth: int) -> str:
        if scope.names and self.chance(80):
            return self.one_of(sorted(scope.names))
        return self.one_of(["1", "2.5", "'text'", "None"])

    def thing(self, scope: Scope, depth: int) -> str:
        made = [f"{name}.make" for name in scope.of("a")] + scope.of("g") + scope.of("w")
        made += [f"{name}.Thing" for name in scope.of("a")]
        things = scope.of("t")
        if things and (not made or depth <= 0 or self.chance(40)):
            name = self.one_of(things)
            return self.one_of([name, f"{name}[0]", f"({name} + {self.atom(scope, 0)})", f"{name}.add()"])
        if not made:
            return "[]" if depth <= 0 else self.list(scope, depth)  # nothing has been imported yet
        return f"{self.one_of(made)}({self.anything(scope, depth - 1)})"

    def list(self, scope: Scope, depth: int) -> str:
        if scope.of("l") and self.chance(40):
            name = self.one_of(scope.of("l"))
            return self.one_of([name, f"{name}[:]", f"[*{name}]", f"({name} + [{self.atom(scope, 0)}])"])
        items = [self.anything(scope, depth - 1) for _ in range(self.one_of([0, 1, 1, 2]))]
        return f"[{', '.join(items)}]"

    def dict(self, scope: Scope, depth: int) -> str:
        if scope.of("d") and self.chance(40):
            name = self.one_of(scope.of("d"))
            return self.one_of([name, f"{{**{name}}}", f"dict({name})"])
        return f"{{'k': {self.anything(scope, depth - 1)}}}"

    def call(self, scope: Scope, depth: int) -> str:
        functions = [name for name in scope.of("f") if name not in scope.local]
        if not functions:
            return self.atom(scope, depth)
        return self.call_of(self.one_of(functions), scope, depth)

    def call_of(self, name: str, scope: Scope, depth: int) -> str:
        arguments = [self.of_kind(kind, scope, depth - 1) for kind in _TAKES[name[1]]]
        return f"{name}({', '.join(arguments)})"

    def plain(self, scope: Scope, depth: int) -> str:
        value = self.anything(scope, depth - 1)
        shown = self.one_of(sorted(scope.names)) if scope.names else "1"
        plain = [f"len([{value}])", f"float(len([{value}]))", f"str({value})", f"f'{{{shown} is None}}'"]
        return self.one_of([*plain, f"({value} is None)", f"[1 for _ in [{value}]]"])

    def function(self, scope: Scope, depth: int) -> str:
        inner = scope.having(f"n0{self.suffix}") if scope.function else scope
        parameter = f"n0{self.suffix}"
        body = self.anything(Scope(scope.names | {parameter}, inner.local, function=True), depth - 1)
        default = f"={self.anything(scope, 0)}" if self.chance(30) else ""
        return f"(lambda {parameter}{default}: {body})"

    def choice(self, scope: Scope, depth: int) -> str:
        one, other = self.anything(scope, depth - 1), self.anything(scope, depth - 1)
        test = self.test(scope)
        forms = [
            f"({one} if {test} else {other})",
            f"({test} and {one} or {other})",
            f"[{one}, ({other}, 1)][0]",
        ]
        return self.one_of(forms)

    def scoped(self, scope: Scope, depth: int) -> str:
        """Return an expression with a scope of its own, or a walrus."""
        variable = f"n{self.one_of('012')}{self.suffix}"
        inner = self.anything(Scope(scope.names | {variable}, scope.local, scope.function), depth - 1)
        outer = self.anything(scope, depth - 1)
        comprehensions = [
            f"[{inner} for {variable} in [{outer}]]",
            f"list({inner} for {variable} in [{outer}] if {variable} is not None)",
            f"{{'k': {inner} for {variable} in [{outer}]}}",
            f"[{inner} for {variable}, *_ in [[{outer}, 1]]]",
            f"(lambda {variable}: {inner})({outer})",
        ]
        return self.one_of(comprehensions)

    def instance(self, scope: Scope, depth: int) -> str:
        if scope.of("o") and self.chance(50):
            name = self.one_of(scope.of("o"))
            value = self.anything(scope, depth - 1)
            return self.one_of([name, f"{name}.kept", f"{name}.method({value})"])
        if scope.of("c"):
            return f"{self.one_of(scope.of('c'))}({self.anything(scope, depth - 1)})"
        return self.atom(scope, depth)

    # Statements: each returns its lines and the scope behind it

    def statement(self, scope: Scope, depth: int = 2) -> tuple[str, Scope]:
        self.budget -= 1
        weights = {
            self.imports: 0 if scope.function else 3,
            self.assign: 8,
            self.alias: 3,
            self.change: 8,
            self.definition: 3 if depth > 0 else 0,
            self.factory: 1 if depth > 0 else 0,
            self.decorator: 1 if depth > 0 else 0,
            self.klass: 2 if depth > 0 and not scope.function else 0,
            self.branch: 2 if depth > 0 else 0,
            self.loop: 2 if depth > 0 else 0,
            self.attempt: 2 if depth > 0 else 0,
            self.context: 1 if depth > 0 else 0,
            self.match: 1 if depth > 0 else 0,
            self.unpack: 1,
            self.delete: 0 if scope.function or depth < 2 else 1,  # what may be deleted is not certain
            self.use: 1,
            self.effect: 4,
        }
        kinds = [
            part
            for part, weight in weights.items()
            if part.__name__ not in self.exclude
            for _ in range(weight)
        ]
        return self.one_of(kinds)(scope, depth)

    def block(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        texts = []
        for _ in range(self.one_of([1, 1, 2])):
            text, scope = self.statement(scope, depth - 1)
            texts.append(text)
        return indent("\n".join(texts), "    "), scope

    def target(self, kind: str, scope: Scope) -> str:
        """Return a name to bind; inside functions one that is local already, so that no read comes before."""
        own = [name for name in scope.of(kind) if name in scope.local]
        if not scope.function:
            return self.name(kind)
        return self.one_of(own) if own else f"{kind}9{self.suffix}"

    def imports(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        stub = self.stub()
        module, function, number = (self.name(kind) for kind in "agn")
        thing = self.name("n" if "changed imports" in self.exclude else "t")
        forms = [
            (f"import {stub} as {module}", [module]),
            (f"from {stub} import make as {function}", [function]),
            (f"from {stub} import THING as {thing}, NUMBER as {number}", [thing, number]),
            (f"from {stub} import Thing as w0{self.suffix}", [f"w0{self.suffix}"]),
        ]
        if stub in PACKAGES:
            forms += [
                (f"import {stub}.sub as {module}", [module]),
                (f"from {stub} import sub as {module}", [module]),
                (f"from {stub}.sub import make as {function}", [function]),
            ]
        text, bound = self.one_of(forms)
        return text, scope.having(*bound)

    def assign(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        kind = self.one_of("ttlldnno")
        if kind == "o" and not (scope.of("c") and not scope.function):
            kind = "n"
        target = self.target(kind, scope)
        if kind == "o":
            return f"{target} = {self.one_of(scope.of('c'))}({self.anything(scope)})", scope.having(target)
        if kind == "t" and not (scope.of("a") or scope.of("g") or scope.of("w") or scope.of("t")):
            return "pass", scope
        value = self.of_kind(kind, scope, depth + 1)
        form = self.one_of(["{} = {}", "{} = {}", "{}: object = {}", "({} := {})"])
        if scope.function and form.startswith("{}: "):
            form = "{} = {}"
        return form.format(target, value), scope.having(target)

    def alias(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        """Give what has a name another one."""
        kind = self.one_of(ASSIGNED)
        if not scope.of(kind):
            return self.assign(scope, depth)
        target = self.target(kind, scope)
        return f"{target} = {self.one_of(scope.of(kind))}", scope.having(target)

    def effect(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        """Call a function for what it does."""
        return self.call(scope, 1), scope

    def unpack(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        one, more = self.target("n", scope), self.target("l", scope)
        first, second = self.anything(scope), self.anything(scope)
        forms = [f"{one}, *{more} = {first}, {second}", f"[*{more}, {one}] = [{first}, {second}]"]
        return self.one_of([*forms, f"{one}, {more} = {first}, [{second}]"]), scope.having(one, more)

    def change(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        """Write a statement that changes what a name holds and binds none, unless it adds to it."""
        value = self.anything(scope)
        forms = [f"{name}.append({value})" for name in scope.of("l")]
        forms += [f"{name}[0:] = [{value}]" for name in scope.of("l")]
        forms += [f"{name}['k'] = {value}" for name in scope.of("d")]
        forms += [f"{name}.update(k={value})" for name in scope.of("d")]
        forms += [f"{name}.setdefault('l', []).append({value})" for name in scope.of("d")]
        forms += [
            f"{name}.{change}" for name in scope.of("t") for change in (f"add({value})", f"kept = {value}")
        ]
        forms += [f"{name}[0] = {value}" for name in scope.of("t")]
        forms += [f"{name}.kept = {value}" for name in (*scope.of("o"), *scope.of("c"))]
        own = scope.local if scope.function else scope.names
        forms += [f"{name} += {value}" for name in scope.of("t") if name in own]
        forms += [f"{name} += [{value}]" for name in scope.of("l") if name in own]
        forms += [f"{name} |= {{'k': {value}}}" for name in scope.of("d") if name in own]
        return self.one_of(forms) if forms else "pass", scope

    def use(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        return self.anything(scope, depth + 1), scope

    def body(self, scope: Scope, parameters: Sequence[str], depth: int) -> str:
        """Write a function's body: imports of its own, names that it binds for all, locals, statements, an answer."""
        lines = []
        inner = Scope(scope.names | set(parameters), scope.local | set(parameters), function=True)
        if self.chance(15):
            lines.append(f"import {self.stub()} as a9{self.suffix}")
            inner = inner.having(f"a9{self.suffix}")
        own = {name for name in inner.names if name in inner.local}
        outer = sorted(name for name in scope.names - own if name[0] in ASSIGNED)
        rebinds = "global" not in self.exclude and not scope.function
        if outer and rebinds and self.chance(25):
            lines += self.rebinding("global", self.one_of(outer), inner)
        enclosing = sorted(name for name in scope.local - set(parameters) if name[0] in ASSIGNED)
        if enclosing and self.chance(40):
            lines += self.rebinding("nonlocal", self.one_of(enclosing), inner)
        for _ in range(self.one_of([0, 0, 1, 2])):
            text, inner = self.statement(inner, depth - 1)
            lines.append(text)
        lines.append(f"return {self.anything(inner, self.one_of([0, 0, 2, 3]))}")
        return indent("\n".join(lines), "    ")

    def rebinding(self, how: str, name: str, scope: Scope) -> list[str]:
        if name[0] == "t" and not (scope.of("a") or scope.of("g") or scope.of("w")):
            return []
        return [f"{how} {name}", f"{name} = {self.of_kind(name[0], scope, 2)}"]

    def definition(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        if scope.function:
            name = f"{self.one_of(['f8', 'f9'])}{self.suffix}".replace("f8", "h8").replace("f9", "h9")
            return self.inner_function(name, scope, depth)
        name = self.name("f")
        parameters = [f"{kind}{number}{self.suffix}" for number, kind in enumerate(_TAKES[name[1]])]
        more = f", n2{self.suffix}={self.anything(scope, 1)}" if self.chance(30) else ""
        annotation = f" -> {self.atom(scope, 0)}" if self.chance(10) else ""
        own = [*parameters, f"n2{self.suffix}"] if more else parameters
        body = self.body(scope, own, depth)
        decorators = [f"@{module}.{kind}\n" for module in scope.of("a") for kind in ("same", "Wrapped")]
        decorators += [f"@{name}\n" for name in scope.of("k") if name not in scope.local]
        decorated = (
            self.one_of(decorators)
            if decorators and "decorated functions" not in self.exclude and self.chance(30)
            else ""
        )
        text = f"{decorated}def {name}({', '.join(parameters)}{more}){annotation}:\n{body}"
        return text, scope.having(name)

    def inner_function(self, name: str, scope: Scope, depth: int) -> tuple[str, Scope]:
        parameter = f"n8{self.suffix}"
        return f"def {name}({parameter}):\n{self.body(scope, [parameter], depth)}", scope.having(name)

    def factory(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        """Write a function that returns one which sees its variables, and take one of these."""
        if scope.function:
            return "pass", scope
        outer, inner, taken = self.name("h"), f"f0{self.suffix}", self.name("n")
        parameters = [f"t7{self.suffix}", f"n7{self.suffix}"]
        scope_within = Scope(scope.names | set(parameters), frozenset(parameters), function=True)
        body = self.body(scope_within, [f"n8{self.suffix}"], depth)
        function = indent(f"def {inner}(n8{self.suffix}):\n{body}\nreturn {inner}", "    ")
        if not (scope.of("a") or scope.of("g") or scope.of("w") or scope.of("t")):
            return "pass", scope
        arguments = f"{self.thing(scope, 1)}, {self.anything(scope)}"
        text = f"def {outer}({', '.join(parameters)}):\n{function}"
        taken = self.one_of([taken, inner])
        return f"{text}\n{taken} = {outer}({arguments})", scope.having(outer, taken)

    def decorator(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        if scope.function:
            return "pass", scope
        name, wrapped = self.name("k"), f"n7{self.suffix}"
        inner = Scope(scope.names | {wrapped}, frozenset({wrapped}), function=True)
        body = (
            f"def n8{self.suffix}(*arguments):\n    {self.anything(inner)}\n    return {wrapped}(*arguments)"
        )
        return f"def {name}({wrapped}):\n{indent(body, '    ')}\n    return n8{self.suffix}", scope.having(
            name
        )

    def klass(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        name = self.name("c")
        bases = [*scope.of("w"), *(f"{module}.Thing" for module in scope.of("a"))]
        base = f"({self.one_of(bases)})" if bases and self.chance(40) else ""
        # In the class's body its own attribute shadows the global; for what is nested there it does not.
        shadows = f"n0{self.suffix}" in scope.names and "shadowing attributes" not in self.exclude
        kept = f"n0{self.suffix}" if shadows else f"n6{self.suffix}"
        argument, itself = f"n1{self.suffix}", f"n5{self.suffix}"
        within = scope.having(kept) if kept in scope.names else scope
        method = self.body(scope, [argument], depth)
        lines = [
            f"{kept} = {self.anything(scope)}",
            f"kept = {self.anything(within)}",
            f"def __init__({itself}, {argument}):\n    {itself}.kept = {self.anything(scope.having(argument))}",
            f"def method({itself}, {argument}):\n{method}",
        ]
        if self.chance(50):
            lines.append(
                f"def __call__({itself}, {argument}={self.anything(within)}): return {itself}.method({argument})"
            )
        return f"class {name}{base}:\n{indent(chr(10).join(lines), '    ')}", scope.having(name)

    def test(self, scope: Scope) -> str:
        value = f"[{self.atom(scope, 0)}][0]"  # which no compiler folds
        return self.one_of([f"{value} is None", f"{value} is not None", f"len([{value}]) > 1"])

    def both(self, scope: Scope, depth: int) -> tuple[str, str, Scope]:
        """Return two blocks of which one runs; names that both bind are known behind them."""
        one, after_one = self.block(scope, depth)
        other, after_other = self.block(scope, depth)
        return one, other, self.joined(after_one, after_other)

    def joined(self, one: Scope, other: Scope) -> Scope:
        return Scope(one.names & other.names, one.local | other.local, one.function)

    def branch(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        one, other, after = self.both(scope, depth)
        if self.chance(50):
            return f"if {self.test(scope)}:\n{one}", self.joined(scope, after)
        return f"if {self.test(scope)}:\n{one}\nelse:\n{other}", after

    def loop(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        variable = self.target("n", scope)
        items = [f"[{self.anything(scope)}]", "(1,)"]
        items += [] if "loops over nothing" in self.exclude else ["[][:]"]
        items += [] if "repeated loops" in self.exclude else [f"[{self.anything(scope)}, 1]"]
        items = self.one_of(items)
        header = f"for {variable} in {items}:"
        runs = "[]" not in items
        inner = scope.having(variable)
        if self.chance(25):
            header, inner, runs = f"while {self.test(scope)}:", scope, False
        body, after = self.block(inner, depth)
        after = after if runs and header.startswith("for") else self.joined(scope, after)
        end = "\n    break" if header.startswith("while") or self.chance(20) else ""
        return f"{header}\n{body}{end}", after

    def attempt(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        """Write a `try`: of an import that fails or does not, or of anything with a `finally`."""
        module, stub = self.name("a") if not scope.function else f"a9{self.suffix}", self.stub()
        tried = self.one_of(["import missing as {}", "import missing as {}", f"import {self.stub()} as {{}}"])
        tried = tried.format(module)
        within, _ = self.block(scope, depth)
        if self.chance(40):
            body, after = self.block(scope, depth)
            return f"try:\n{body}\nfinally:\n{within}", self.joined(after, after)
        handler = f"    import {stub} as {module}" if self.chance(60) else f"    {module} = None"
        after = scope.having(module) if "import" in handler else scope
        tried = f"    {tried}"
        if self.chance(50):
            interrupted = [] if "interrupted blocks" in self.exclude else [f"{tried}\n{within}"]
            tried = self.one_of([f"{within}\n{tried}", *interrupted])
        return f"try:\n{tried}\nexcept ImportError:\n{handler}", after

    def context(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        if not (scope.of("a") or scope.of("g") or scope.of("w")):
            return "pass", scope
        target = self.target("t", scope)
        inner = scope.having(target)
        body, after = self.block(inner, depth)
        return f"with {self.thing(scope, 1)} as {target}:\n{body}", self.joined(after, after)

    def match(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        one, rest = self.target("n", scope), self.target("l", scope)
        body, _ = self.block(scope.having(one, rest), depth)
        last, _ = self.block(scope, depth)
        things = [*scope.of("w"), *(f"{module}.Thing" for module in scope.of("a"))]
        pattern = self.one_of([f"[{one}, *{rest}]", f"{{'k': [{one}, *{rest}]}}"])
        cases = f"    case {pattern}:\n{indent(body, '    ')}\n"
        if things and self.chance(40):
            cases += f"    case {self.one_of(things)}():\n{indent(last, '    ')}\n"
        return f"match {self.anything(scope)}:\n{cases}    case _:\n{indent(last, '    ')}", scope

    def delete(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        names = sorted(scope.names)
        if not names:
            return "pass", scope
        name = self.one_of(names)
        return f"del {name}", Scope(scope.names - {name}, scope.local, scope.function)

    def predictor(self, scope: Scope) -> str:
        """Write the entry point, in one of the ways in which notebooks do."""
        parameter = f"n0{self.suffix}"
        forms = ["def"] * 6 + ["lambda"] + (["decorated"] if scope.of("k") else [])
        forms += ["instance"] * (1 if scope.of("c") else 0) + ["alias"] * (1 if scope.of("f") else 0)
        form = self.one_of(forms)
        if form == "lambda":
            return f"predictor = {self.function(scope, 3)}"
        if form == "instance":
            return f"predictor = {self.one_of(scope.of('c'))}({self.anything(scope)})"
        if form == "alias":
            return f"predictor = {self.one_of(scope.of('f'))}"
        decorated = f"@{self.one_of(scope.of('k'))}\n" if form == "decorated" else ""
        default = f", n2{self.suffix}={self.anything(scope, 1)}" if self.chance(20) else ""
        parameters = [parameter, f"n2{self.suffix}"] if default else [parameter]
        return f"{decorated}def predictor({parameter}{default}):\n{self.body(scope, parameters, 2)}"


@dataclass(frozen=True)
class Program:
    """Cells that bind the names in `names`, and perhaps a predictor among them."""

    cells: tuple[str, ...]
    names: frozenset[str] = field(default=frozenset())


@st.composite
def programs(
    draw, *, suffix: str = "", predictor: bool = True, exclude: frozenset[str] = frozenset()
) -> Program:
    """Draw a notebook: imports first, as people do, then whatever comes."""
    writer = Writer(draw, suffix, exclude=exclude)
    scope, texts = Scope(frozenset()), []
    for part in [writer.imports] * 2 + [writer.statement] * draw(st.integers(2, 9)):
        text, scope = part(scope, 2)
        texts.append(text)
    if predictor:
        writer.budget += 20
        texts.append(writer.predictor(scope))
        for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
            text, scope = writer.statement(scope)
            texts.append(text)
    return Program(joined_in_cells(draw, texts), scope.names)


def joined_in_cells(draw: Callable, statements: Sequence[str]) -> tuple[str, ...]:
    """Return cells of one statement or several."""
    cells: list[list[str]] = []
    for text in statements:
        if not cells or draw(st.booleans()):
            cells.append([])
        cells[-1].append(text)
    return tuple("\n".join(cell) for cell in cells)
