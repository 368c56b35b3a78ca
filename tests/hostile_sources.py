"""Sources made to stall, exhaust or hijack whatever reads them; each ends in a fault that must still be found."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

HEAD = "import keras\nfrom keras import layers\n"
FAULT = """

def planted(x):
    layers.BatchNormalization()(x)
    return layers.Dense(1)(x)


inputs = keras.Input((8,))
model = keras.Model(inputs, planted(inputs))
"""


@dataclass(frozen=True)
class Hostile:
    """A program in ``text`` (the file checked) and ``beside`` (its modules).

    ``found`` says what ends up in the report: "BN101" the planted fault; "BN000" the refusal; "cut" the planted fault, or
    BN002, which says that the analysis was cut off before it; "any" that Python itself would never get so far, so that
    anything is right.
    """

    name: str
    text: str
    found: str = "BN101"
    beside: tuple[tuple[str, str], ...] = ()

    def files(self) -> dict[str, str]:
        return {"hostile.py": HEAD + self.text + FAULT, **dict(self.beside)}


def actions(marker: str) -> list[Hostile]:
    """Programs that leave a marker file when any of their code is run."""
    touch = f'open({marker!r}, "w").close()'
    return [
        Hostile("shell command", f'import os\nos.system("touch {marker}")'),
        Hostile("subprocess", f'import subprocess\nsubprocess.run(["touch", {marker!r}])'),
        Hostile("file written", touch),
        Hostile("pathlib", f"import pathlib\npathlib.Path({marker!r}).touch()"),
        Hostile("deleting", f"import shutil, os\nshutil.rmtree(os.path.dirname(__file__))\n{touch}"),
        Hostile("download", f'import urllib.request\nurllib.request.urlretrieve("http://localhost:9/", {marker!r})\n{touch}'),
        Hostile(
            "exec and eval",
            f'exec({touch!r})\neval({touch!r})\ncompile({touch!r}, "", "exec")\n__import__("os").system({touch!r})',
        ),
        Hostile("decorator", f"def decorate(f):\n    {touch}\n    return f\n\n@decorate\ndef g(): pass"),
        Hostile(
            "class body",
            f"class C(keras.Model):\n    {touch}\n    def __init_subclass__(cls):\n        {touch}\nclass D(C): pass",
        ),
        Hostile("default argument", f"def f(a={touch}): pass\nlayers.Dense(units={touch})"),
        Hostile("module beside", "import beside", beside=(("beside.py", f"import keras\n{touch}\n"),)),
        Hostile(
            "configuration of tools", "import beside", beside=(("conftest.py", touch), ("beside.py", ""), ("setup.py", touch))
        ),
        Hostile("site customisation", "pass", beside=(("sitecustomize.py", touch), ("keras.py", touch), ("click.py", touch))),
        Hostile("exit", f"import sys, os\nsys.exit(3)\nos._exit(3)\n{touch}", "any"),
        Hostile("kill", f"import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n{touch}"),
    ]


def _program(name: str, text: str, found: str = "BN101") -> Hostile:
    return Hostile(name, dedent(text).strip("\n"), found)


def _expression(name: str, text: str, found: str = "BN101") -> Hostile:
    return Hostile(name, f"value = {text}\n" + _USES, found)


def all_values() -> Hostile:
    """The sources of :func:`values` as one."""
    return Hostile("all values", "\n".join(each.text for each in values()), "any")


_USES = """name = f"layer{value}"
layers.Dense(4, name=name)
for item in value:
    layers.Dense(item)
"""


def texts() -> list[Hostile]:
    """Sources that are hard on the parser."""
    nested = "".join(f"{' ' * depth}if unknown:\n" for depth in range(300)) + " " * 300 + "pass"
    return [
        Hostile("nested parentheses", "x = " + "(" * 10_000 + "1" + ")" * 10_000),
        Hostile("nested lists", "x = " + "[" * 10_000 + "]" * 10_000),
        Hostile("nested dicts", "x = " + "{1: " * 10_000 + "1" + "}" * 10_000),
        Hostile("nested calls", "x = " + "f(" * 10_000 + ")" * 10_000),
        Hostile("nested layer calls", "x = " + "layers.ReLU()(" * 10_000 + "1" + ")" * 10_000),
        Hostile("nested subscripts", "x = " + "a[" * 10_000 + "0" + "]" * 10_000),
        Hostile("nested comprehensions", "x = " + "[" * 3_000 + "a" + " for b in c]" * 3_000, "cut"),
        Hostile("unclosed parentheses", "x = " + "(" * 10_000, "BN000"),
        Hostile("chained calls", "x = a" + ".b()" * 4_000),
        Hostile("very long chained calls", "x = a" + ".b()" * 200_000),
        Hostile("chained subscripts", "x = a" + "[0]" * 20_000),
        Hostile("attributes", "x = a" + ".b" * 20_000),
        Hostile("sum", "x = 1" + "+1" * 20_000),
        Hostile("sum of layers", "x = a" + " + layers.ReLU()(a)" * 5_000),
        Hostile("sum of 200 terms", "x = 1" + " + 1" * 200),
        Hostile("power", "x = 2" + "**2" * 20_000),
        Hostile("minuses", "x = " + "-" * 20_000 + "1"),
        Hostile("nots", "x = " + "not " * 20_000 + "1"),
        Hostile("lambdas", "x = " + "lambda: " * 20_000 + "1"),
        Hostile("conditional expressions", "x = " + "1 if a else " * 20_000 + "1"),
        Hostile("comparisons", "x = 1" + " < 1" * 20_000),
        Hostile("conjunction", "x = a" + " and a" * 20_000),
        Hostile("long format string", 'x = f"' + "{a}" * 20_000 + '"'),
        Hostile("deep format string", 'x = f"{' + "1+" * 20_000 + '1}"'),
        Hostile("elif chain", "if a == 0:\n    pass\n" + "".join(f"elif a == {i}:\n    x = {i}\n" for i in range(10_000))),
        Hostile("deep blocks", nested, "BN000"),
        Hostile("5 MB list", "x = [" + "0, " * 1_700_000 + "]"),
        Hostile("5 MB rows", "x = [\n" + "    [1, 2.5, -3e-7, 'a'],\n" * 200_000 + "]"),
        Hostile("5 MB dict", "x = {\n" + "    'a': 1,\n" * 400_000 + "}"),
        Hostile("5 MB of calls", "x = [" + "f(1), " * 800_000 + "]", "any"),
        Hostile("5 MB string", "x = '" + "a" * 5_000_000 + "'"),
        Hostile("100,000 assignments", "".join(f"v{i} = {i}\n" for i in range(100_000))),
        Hostile("10,000 entry points", "".join(f"def f{i}(x):\n    return layers.Dense(1)(x)\n" for i in range(10_000))),
        Hostile("10,000 targets", "x = " * 10_000 + "1"),
        Hostile("10,000 decorators", "@a\n" * 10_000 + "def f(): pass"),
        Hostile("10,000 parameters", "def f(" + ", ".join(f"a{i}" for i in range(10_000)) + "): pass\nf()"),
        Hostile("NUL byte", "x = 1\0", "BN000"),
        Hostile("huge number", "x = " + "9" * 100_000, "BN000"),
        Hostile("huge hexadecimal number", "x = 0x" + "f" * 1_000_000 + "\ny = f'{x}' + str(x) + '%d' % x\nlayers.Dense(x)"),
        Hostile("lone surrogate", 'x = "\\ud800"\nlayers.Dense(1, name=x)\nprint(x.encode())'),
    ]


def values() -> list[Hostile]:
    """Expressions whose value nobody can afford."""
    return [
        _expression("repeated string", '"a" * 10**9'),
        _expression("repeated string, squared", '("a" * 10**5) * 10**5'),
        _expression("repeated bytes", 'b"a" * 10**10'),
        _expression("repeated list", "[0] * 10**10"),
        _expression("repeated tuple", "10**10 * (0, 1)"),
        _expression("range", "range(10**12)"),
        _expression("list of a range", "list(range(10**12))"),
        _expression("unpacked range", "[*range(10**9)]"),
        _expression("unpacked range in a call", "max(*range(10**9))"),
        _expression("sorted range", "sorted(range(10**9))"),
        _expression("sum of a range", "sum(range(10**10))"),
        _expression("set of a range", "set(range(10**9))"),
        _expression("membership", "[-1 in iter(range(10**11)), 'x' in range(10**11)]"),
        _expression("reversed range", "list(reversed(range(10**10)))"),
        _expression("zipped ranges", "dict(zip(range(10**9), range(10**9)))"),
        _expression("mapped range", "list(map(str, range(10**9)))"),
        _expression("joined range", "''.join(map(str, range(10**9)))"),
        _expression("dict comprehension", "{i: i for i in range(10**9)}"),
        _expression("filtered comprehension", "[i for i in range(10**12) if i < 0]"),
        _expression("nested comprehension", "[(i, j, k) for i in range(1000) for j in range(1000) for k in range(1000)]", "cut"),
        _expression("generator", "any(i < 0 for i in range(10**12))"),
        _expression("power", "10**10**10"),
        _expression("power with modulus", "pow(3, 10**10**6, 10**9 + 7)"),
        _expression("pow function", "pow(10, 10**10)"),
        _expression("shift", "1 << 10**12"),
        _expression("factorial", "__import__('math').factorial(10**8)"),
        _expression("combinations", "__import__('math').comb(10**9, 10**8)"),
        _expression("percent width", '"%1000000000d" % 1'),
        _expression("percent star width", '"%*d" % (10**10, 1)'),
        _expression("format string width", 'f"{1:1000000000}"'),
        _expression("format method width", '"{:{}}".format(1, 10**10)'),
        _expression("format precision", 'format(1.0, ".1000000000f")'),
        _expression("ljust", '"a".ljust(10**10)'),
        _expression("center", '"a".center(10**10, "b")'),
        _expression("zfill", '"a".zfill(10**10)'),
        _expression("expandtabs", '"\\t".expandtabs(10**10)'),
        _expression("replace", '("a" * 9999).replace("a", "b" * 99999).replace("b", "c" * 99999)'),
        _expression("join", '("a" * 9999).join(["b"] * 9999).join(["c"] * 9999)'),
        _expression("bytes of a size", "bytes(10**11)"),
        _expression("bytearray", "bytearray(10**11)"),
        _expression("int to bytes", "(1).to_bytes(10**11, 'big')"),
        _expression("huge int of a string", 'int("9" * 10**7)'),
        _expression("string of a huge int", "str(10 ** 10**6)"),
        _expression("huge slice", "list(range(10**12))[1:10**11:2]"),
        _expression("slice of a range", "range(10**12)[::3]"),
        _expression("product", "list(__import__('itertools').product(range(1000), repeat=10))"),
        _expression("backtracking", '__import__("re").match("(a+)+$", "a" * 40 + "b")'),
        _expression("array", "__import__('numpy').zeros((10**6, 10**6)).tolist()"),
        _expression("array range", "__import__('numpy').arange(10**11).tolist()"),
    ]


def programs() -> list[Hostile]:
    """Code that never ends, or grows without bound."""
    return [*_loops(), *_growth(), *_recursion(), *_classes(), *_worlds(), *_modules()]


def _loops() -> list[Hostile]:
    return [
        _program("endless loop", "while True: pass", "any"),
        _program("endless loop in a function", "def f():\n    while True: pass\nf()", "any"),
        _program("endless loop with a counter", "i = 0\nwhile i < 10**15:\n    i += 1\nlayers.Dense(i)"),
        _program("endless loop over a growing list", "x = [1]\nfor i in x:\n    x.append(layers.Dense(i))", "any"),
        _program(
            "endless generator",
            "def g():\n    i = 0\n    while True:\n        yield i\n        i += 1\nfor i in g():\n    pass",
            "any",
        ),
        _program("endless generator listed", "def g():\n    while True:\n        yield 1\nx = list(g())\ny = sum(g())", "any"),
        _program("next on an endless generator", "def g():\n    while True:\n        yield 1\nx = next(g())\nlayers.Dense(x)"),
        _program("generator of itself", "def g():\n    yield from g()\nx = list(g())", "any"),
        _program("count", "import itertools\nfor i in itertools.count():\n    layers.Dense(i)", "any"),
        _program("cycle", "import itertools\nx = list(itertools.cycle([1, 2]))", "any"),
        _program("repeat", "import itertools\nx = [*itertools.repeat(layers.Dense(1))]", "any"),
        _program("iter with a sentinel", "x = list(iter(int, 1))", "any"),
        _program(
            "nested loops",
            "n = 0\nfor i in range(1000):\n  for j in range(1000):\n    for k in range(1000):\n      n += 1",
            "cut",
        ),
        _program("layers in nested loops", "for i in range(1000):\n  for j in range(1000):\n    layers.Dense(i)", "cut"),
        _program("loop that calls a loop", "def f():\n  for i in range(10**5):\n    pass\nfor i in range(10**5):\n  f()"),
        _program(
            "layers in a long loop",
            """
            x = keras.Input((8,))
            for i in range(10**6):
                x = layers.Dense(8)(x)
            """,
        ),
        _program("decorator that loops", "def d(f):\n    while True: pass\n@d\ndef f(): pass", "any"),
        _program(
            "try in a loop", "while True:\n    try:\n        raise ValueError\n    except ValueError:\n        continue", "any"
        ),
    ]


def _growth() -> list[Hostile]:
    doubling = "x = [1]\nfor i in range(100):\n    x = [x, x]\n"
    return [
        _program("string doubling", 'x = "a"\nfor i in range(100):\n    x += x\nlayers.Dense(1, name=x)'),
        _program("string doubling in a format", 'x = "a"\nfor i in range(100):\n    x = f"{x}{x}"\nlayers.Dense(1, name=x)'),
        _program("number squaring", "x = 3\nfor i in range(100):\n    x = x * x\nlayers.Dense(x)"),
        _program("list doubling", "x = [1]\nfor i in range(100):\n    x = x + x\nfor i in x:\n    layers.Dense(i)"),
        _program("list extended by itself", "x = [1]\nfor i in range(100):\n    x.extend(x)\nkeras.Sequential(x)"),
        _program("dict growth", "x = {}\nfor i in range(10**8):\n    x[i] = i\nlayers.Dense(len(x))"),
        _program("shared nesting copied", doubling + "import copy\ny = copy.deepcopy(x)\nlayers.Dense(y)"),
        _program(
            "shared nesting compared", doubling + "y = [1]\nfor i in range(100):\n    y = [y, y]\nlayers.Dense(x == y)", "cut"
        ),
        _program("shared nesting printed", doubling + 'y = str(x)\nz = f"{x!r}"\nw = "%s" % x\nlayers.Dense(1, name=y + z + w)'),
        _program("shared nesting as a layer's argument", doubling + "layers.Dense(x)\nlayers.Reshape(x)\nkeras.Sequential(x)"),
        _program(
            "shared nesting of layers",
            "x = [layers.Dense(1)]\nfor i in range(100):\n    x = [x, x]\nclass M(keras.Model):\n    def __init__(self):\n        super().__init__()\n        self.parts = x\nM()",
        ),
        _program(
            "shared nesting of tuples hashed",
            "x = (1,)\nfor i in range(100):\n    x = (x, x)\ny = {x: 1}\nz = x in y\nlayers.Dense(hash(x))",
        ),
        _program(
            "shared nesting of models",
            "x = keras.Sequential([layers.Dense(1)])\nfor i in range(100):\n    x = keras.Sequential([x, x])\nx.build((None, 1))",
        ),
        _program(
            "tensor doubling",
            "x = keras.Input((8,))\nfor i in range(200):\n    x = layers.Concatenate()([x, x])\nlayers.Dense(1)(x)",
        ),
        _program(
            "deep list",
            "x = []\nfor i in range(10**5):\n    x = [x]\nimport copy\ny = copy.deepcopy(x)\nlayers.Dense(str(x) + str(x == y))",
        ),
        _program("deep closure", "f = lambda: 1\nfor i in range(10**4):\n    f = (lambda g: lambda: g())(f)\nlayers.Dense(f())"),
        _program("deep partial", "import functools\nf = print\nfor i in range(10**4):\n    f = functools.partial(f, i)\nf()"),
        _program("product", "import itertools\nfor p in itertools.product(range(100), repeat=20):\n    layers.Dense(p[0])"),
        _program(
            "permutations",
            "import itertools\nx = list(itertools.permutations(range(50)))\ny = list(itertools.combinations(range(100), 50))",
        ),
        _program(
            "list in itself",
            "x = []\nx.append(x)\ny = []\ny.append(y)\nimport copy\nprint(x, x == y, copy.deepcopy(x))\nlayers.Dense(str(x))\nlayers.Dense(x)",
        ),
        _program(
            "dict in itself",
            "x = {}\nx[1] = x\nimport copy\nprint(x, x == copy.deepcopy(x))\nlayers.Dense(f'{x}')\nlayers.Dense(**{'units': x})",
        ),
        _program(
            "lists in each other",
            "x, y = [], []\nx.append(y)\ny.append(x)\nprint(x == y, sorted([x, y]), max(x, y))\nkeras.Sequential(x)",
        ),
        _program(
            "instance in itself", "class A: pass\na = A()\na.a = a\nimport copy\nb = copy.deepcopy(a)\nlayers.Dense(b.a.a.a)"
        ),
        _program(
            "sequential in itself",
            "m = keras.Sequential()\nm.add(m)\nm.add(layers.Dense(1))\nm.build((None, 1))\nm.trainable = False",
        ),
        _program(
            "model that holds itself",
            "class M(keras.Model):\n    def __init__(self):\n        super().__init__()\n        self.me = self\n    def call(self, x):\n        return self.me(x)\nM()(keras.Input((8,)))",
        ),
    ]


def _recursion() -> list[Hostile]:
    return [
        _program("recursion", "def f(x):\n    return f(x)\nf(1)", "any"),
        _program("recursion with layers", "def f(x):\n    return f(layers.Dense(1)(x))\nf(keras.Input((8,)))", "any"),
        _program("mutual recursion", "def f(x):\n    return g(x) + g(x)\ndef g(x):\n    return f(x) + f(x)\nf(1)", "any"),
        _program("deep recursion that ends", "def f(n):\n    return n if n == 0 else f(n - 1)\nlayers.Dense(f(10**6))", "any"),
        _program("fibonacci", "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\nlayers.Dense(fib(40))"),
        _program(
            "ackermann",
            "def a(m, n):\n    return n + 1 if m == 0 else a(m - 1, 1 if n == 0 else a(m, n - 1))\nlayers.Dense(a(4, 4))",
            "any",
        ),
        _program(
            "fibonacci that nobody calls", "def fib(n):\n    if n < 2:\n        return n\n    return fib(n - 1) + fib(n - 2)"
        ),
        _program(
            "branching recursion on layers",
            "def f(x, n):\n    if n == 0:\n        return x\n    return layers.add([f(x, n - 1), f(x, n - 1)])\nf(keras.Input((8,)), 40)",
        ),
        _program("recursive lambda", "f = lambda x: f(x) + f(x)\nf(1)", "any"),
        _program("Y combinator", "(lambda f: f(f))(lambda f: f(f))", "any"),
        _program("sort key recursion", "def k(x):\n    return sorted([x, x], key=k)\nk(1)", "any"),
        _program(
            "doubling call tree",
            "\n".join(
                [
                    "def f0(): return 1",
                    *(f"def f{i}(): return f{i - 1}() + f{i - 1}()" for i in range(1, 60)),
                    "layers.Dense(f59())",
                ]
            ),
            "cut",
        ),
        _program(
            "exec of itself",
            'source = "exec(source)"\nexec(source)\neval("eval(source)")\nlayers.Dense(eval("10**10**10"))',
            "any",
        ),
    ]


def _classes() -> list[Hostile]:
    return [
        _program("class of itself", "class A(A): pass\nA()", "any"),
        _program("class of itself, rebound", "class A(keras.Model): pass\nclass A(A): pass\nclass A(A): pass\nA()"),
        _program("class of itself in a function", "def f():\n    class A(A): pass\n    return A()"),
        _program(
            "cyclic bases",
            "try:\n    class A(B): pass\nexcept NameError:\n    pass\nclass B(keras.layers.Layer): pass\nclass A(B): pass\nB.__bases__ = (A,)\nA().build(1)\nB().call(1)",
        ),
        _program(
            "diamonds",
            "class A0(keras.Model): pass\n"
            + "\n".join(f"class L{i}(A{i}): pass\nclass R{i}(A{i}): pass\nclass A{i + 1}(L{i}, R{i}): pass" for i in range(60))
            + "\nA60()",
        ),
        _program(
            "long inheritance",
            "class A0(keras.Model): pass\n"
            + "\n".join(f"class A{i + 1}(A{i}):\n    def __init__(self):\n        super().__init__()" for i in range(1000))
            + "\nA1000()",
        ),
        _program(
            "inconsistent bases", "class A: pass\nclass B(A): pass\ntry:\n    class C(A, B): pass\nexcept TypeError:\n    pass"
        ),
        _program(
            "metaclass",
            "class M(type):\n    def __new__(m, *a):\n        return M(*a)\n    def __call__(c, *a):\n        return c(*a)\n    def __getattr__(c, n):\n        return getattr(c, n)\ntry:\n    class A(metaclass=M): pass\n    A().x\nexcept Exception:\n    pass",
        ),
        _program(
            "metaclass of itself",
            "class M(type):\n    def __init__(c, *a):\n        class N(metaclass=M): pass\ntry:\n    class A(metaclass=M): pass\nexcept RecursionError:\n    pass",
        ),
        _program(
            "property of itself",
            "class A:\n    @property\n    def p(self):\n        return self.p\ntry:\n    A().p\nexcept RecursionError:\n    pass",
        ),
        _program(
            "properties of each other",
            "class A(keras.layers.Layer):\n    @property\n    def p(self):\n        return self.q + self.q\n    @property\n    def q(self):\n        return self.p + self.p\n    def call(self, x):\n        return x * self.p",
        ),
        _program(
            "__getattr__ of itself",
            "class A:\n    def __getattr__(self, name):\n        return getattr(self, name + name)\ntry:\n    A().x\nexcept RecursionError:\n    pass",
        ),
        _program(
            "__getattribute__ of itself",
            "class A:\n    def __getattribute__(self, name):\n        return self.x\ntry:\n    A().x\nexcept RecursionError:\n    pass",
        ),
        _program(
            "__call__ of itself",
            "class A:\n    def __call__(self):\n        return self() + self()\ntry:\n    A()()\nexcept RecursionError:\n    pass",
        ),
        _program(
            "__iter__ of itself",
            "class A:\n    def __iter__(self):\n        return iter(self)\ntry:\n    list(A())\nexcept RecursionError:\n    pass",
        ),
        _program(
            "__len__, __str__, __eq__ of themselves",
            "class A:\n    def __len__(self):\n        return len(self)\n    def __str__(self):\n        return str(self)\n    def __eq__(self, o):\n        return self == o\n    def __bool__(self):\n        return bool(self)\n    def __hash__(self):\n        return hash(self)\ntry:\n    len(A()), str(A()), A() == A(), {A(): 1}\n    if A(): pass\nexcept RecursionError:\n    pass",
        ),
        _program(
            "endless __next__",
            "class A:\n    def __iter__(self):\n        return self\n    def __next__(self):\n        return layers.Dense(1)\nfor i in A():\n    pass",
            "any",
        ),
        _program(
            "layer that calls itself",
            "class L(keras.layers.Layer):\n    def call(self, x):\n        return self(x) + L()(x)\nL()(keras.Input((8,)))",
            "any",
        ),
        _program(
            "layer that builds itself",
            "class L(keras.layers.Layer):\n    def __init__(self):\n        super().__init__()\n        self.inner = L()\nL()",
            "any",
        ),
        _program(
            "init_subclass that derives",
            "class A:\n    def __init_subclass__(cls):\n        class B(cls): pass\ntry:\n    class C(A): pass\nexcept RecursionError:\n    pass",
        ),
        _program(
            "10,000 classes",
            "\n".join(f"class M{i}(keras.Model):\n    def call(self, x):\n        return x" for i in range(10_000)),
        ),
    ]


def _worlds() -> list[Hostile]:
    conditions = "".join(f"    if flags[{i}]:\n        x = layers.Dense({i})(x)\n" for i in range(60))
    nested = "".join(f"{'    ' * (i + 1)}if flags[{i}]:\n" for i in range(60)) + "    " * 61 + "return layers.Dense(1)(x)\n"
    calls = "".join(f"    x = step(x, flags[{i}])\n" for i in range(60))
    return [
        Hostile("60 unknown conditions", f"def f(x, flags):\n{conditions}    return x\nf(keras.Input((8,)), unknown())"),
        Hostile(
            "60 unknown conditions at module level",
            "import os, sys\nx = keras.Input((8,))\n"
            + "".join(f"if os.environ.get('V{i}'):\n    x = layers.Dense({i})(x)\n" for i in range(60)),
        ),
        Hostile("60 nested unknown conditions", f"def f(x, flags):\n{nested}    return x"),
        Hostile(
            "60 calls with an unknown condition",
            f"def step(x, flag):\n    if flag:\n        return layers.ReLU()(x)\n    return layers.Dense(1)(x)\ndef f(x, flags):\n{calls}    return x",
        ),
        Hostile(
            "60 unknown choices",
            "def f(x, a):\n"
            + "".join(f"    x = (layers.ReLU() if a[{i}] else layers.Dense({i}))(x)\n" for i in range(60))
            + "    return x",
        ),
        Hostile(
            "60 unknown truths",
            "def f(x, a):\n    return " + " or ".join(f"(a[{i}] and layers.Dense({i})(x))" for i in range(60)),
        ),
        Hostile(
            "60 tries",
            "def f(x):\n"
            + "".join(
                f"    try:\n        x = layers.Dense({i})(x)\n        unknown()\n    except ValueError:\n        x = layers.ReLU()(x)\n"
                for i in range(60)
            )
            + "    return x",
        ),
        Hostile(
            "unknown loop around unknown conditions",
            "def f(x, flags):\n    for _ in flags:\n"
            + "".join(f"        if flags[{i}]:\n            x = layers.Dense({i})(x)\n" for i in range(60))
            + "    return x",
        ),
        Hostile(
            "unknown loops in each other",
            "def f(x, a):\n"
            + "".join(f"{'    ' * (i + 1)}for i{i} in a:\n" for i in range(15))
            + "    " * 16
            + "x = layers.Dense(1)(x)\n    return x",
        ),
        Hostile(
            "5,000 unknown matches", "match unknown():\n" + "".join(f"    case {i}:\n        x = {i}\n" for i in range(5_000))
        ),
    ]


def _modules() -> list[Hostile]:
    cycle = (("one.py", "from two import *\nimport keras\nX = 1\n"), ("two.py", "from one import *\nimport keras\nY = X\n"))
    chain = tuple((f"m{i}.py", f"import keras\nfrom m{i + 1} import *\nfrom m{(i * 7) % 300} import *\n") for i in range(300))
    return [
        Hostile("star-import cycle", "from one import *\nfrom two import *\nlayers.Dense(X)", beside=cycle),
        Hostile("import of itself", "import hostile\nfrom hostile import *\nfrom hostile import planted as other"),
        Hostile("300 modules in a tangle", "from m0 import *", beside=(*chain, ("m300.py", "import keras\n"))),
        Hostile(
            "module __getattr__",
            "import beside\nx = beside.anything\nlayers.Dense(x)",
            beside=(
                ("beside.py", "import keras\ndef __getattr__(name):\n    return globals()[name] if 0 else __getattr__(name)\n"),
            ),
        ),
        Hostile("import loop", "import importlib\nwhile True:\n    importlib.reload(importlib.import_module('hostile'))", "any"),
    ]
