"""What Python's own values do in the interpreter: the same as in Python, or they are unknown."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest

from bnlint.interpreter import new_machine
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import PYTHON_ERRORS
from bnlint.interpreter.records import World
from bnlint.interpreter.scope import Frame, Module, Scope
from bnlint.interpreter.signals import Exhausted, Raised
from bnlint.interpreter.values import Const, DictV, InstanceV, ListV, SymbolV, TupleV, Unknown, Value, plain
from bnlint.source import from_text


class Course:
    """A piece of code, interpreted."""

    def __init__(self, code: str) -> None:
        text = dedent(code)
        project: Any = SimpleNamespace(module_path=lambda *where: None)
        self.m: Machine = new_machine(project, "3")
        scope = Scope({"__name__": Const("code")}, None, "module")
        self.module = Module("code", from_text("/code.py", text), ast.parse(text), False, scope)
        self.m.world = World("<module>", self.module, None)
        self.raised: Value | None = None
        try:
            self.m.execute(self.module.tree.body, Frame(self.module, scope))
        except Raised as signal:
            self.raised = signal.value
        except Exhausted:
            self.m.world.complete = False

    def __getitem__(self, name: str) -> Value:
        assert self.raised is None, self.raised
        return self.m.resolve(self.module.scope.names[name])

    @property
    def result(self) -> Value:
        return self["result"]

    @property
    def error(self) -> str:
        assert isinstance(self.raised, InstanceV) and isinstance(self.raised.cls, SymbolV)
        return self.raised.cls.path

    @property
    def was_cut(self) -> bool:
        return bool(self.m.cuts) and not self.m.world.complete

    def escaped(self, name: str) -> bool:
        return id(self[name]) in self.m.world.escapes


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text()


def value_of(code: str) -> Any:
    """The Python object that ``result`` is after a piece of code."""
    return plain(Course(code).result)


def check_against_python(code: str) -> None:
    """The interpreter's ``result`` is Python's, or it raises what Python raises."""
    names: dict[str, Any] = {}
    course = Course(code)
    try:
        exec(dedent(code), names)  # noqa: S102  the examples of this file
    except PYTHON_ERRORS as error:
        kind = next(each for each in type(error).__mro__ if each.__module__ == "builtins")
        assert course.error == f"builtins.{kind.__name__}"
        return
    found, wanted = plain(course.result), names["result"]
    assert found == wanted and repr(found) == repr(wanted)


@pytest.mark.parametrize("expression", _read("python_expressions.txt").splitlines())
def test_expressions_are_what_they_are_in_python(expression: str) -> None:
    check_against_python(f"result = {expression.strip()}")


@pytest.mark.parametrize("code", _read("python_programs.txt").split("---\n"))
def test_programs_do_what_they_do_in_python(code: str) -> None:
    check_against_python(code)


@pytest.mark.parametrize(
    "code",
    [
        "result = 2 ** 10 ** 10",
        "result = 1 << 10 ** 12",
        "result = 'a' * 10 ** 9",
        "result = [0] * 10 ** 9",
        "result = (0,) * 10 ** 9",
        "result = '%1000000000d' % 1",
        "result = '%*d' % (10 ** 9, 1)",
        "result = '{:1000000000}'.format(1)",
        "result = '{:{}}'.format(1, 10 ** 9)",
        "result = '{:{w}}'.format(1, w='1000000000')",
        "n = 10 ** 9\nresult = f'{1:{n}}'",
        "result = 'a'.ljust(10 ** 9)",
        "result = 'a'.zfill(10 ** 9)",
        "result = ('\\t' * 10000).expandtabs(10 ** 7)",
        "result = ('a' * 10000).replace('a', 'b' * 10000)",
        "result = ('a' * 10000).join(['b'] * 10000)",
        "result = list(range(10 ** 12))",
        "result = bytes(10 ** 9)",
        "import math\nresult = math.factorial(10 ** 7)",
        "import math\nresult = math.prod(range(1, 10 ** 4))",
        "import itertools\nresult = list(itertools.product(range(100), repeat=5))",
        "import itertools\nresult = list(itertools.repeat(0, 10 ** 9))",
        "x = [0]\nfor i in range(40):\n    x = x + x\nresult = x",
        "x = 'a'\nfor i in range(40):\n    x += x\nresult = x",
        "x = 3\nfor i in range(40):\n    x = x * x\nresult = x",
        "result = pow(3, 10 ** 7)",
        "import numpy as np\nresult = np.arange(10 ** 9)",
        "import numpy as np\nresult = np.linspace(0, 1, 10 ** 9)",
        "result = round(1, -10 ** 9)",
    ],
)
def test_what_is_too_big_costs_nothing_and_is_unknown(code: str) -> None:
    course = Course(code)
    assert isinstance(course.result, Unknown) or isinstance(course.result, ListV) and course.result.open
    assert course.was_cut


@pytest.mark.parametrize(
    "code",
    [
        "x = [0]\nfor i in range(60):\n    x = [x, x]\nresult = str(x) + f'{x}' + '%s' % x",
        "x = []\nx.append(x)\nresult = str(x), x == x, x == [x]",
        "x = []\nfor i in range(390):\n    x = [x]\nresult = x == [[x]], repr(x), sorted([x, x])",
        "def f(x):\n    for i in range(60):\n        x = x + x\n    return x == 1\nresult = f(unknown)",
        "x = unknown\nfor i in range(390):\n    x = x + 1\nresult = x == 1 or x == 2\nif x > 3:\n    pass",
        "from copy import deepcopy\nx = []\nfor i in range(390):\n    x = [x]\nresult = deepcopy(x)",
        "result = 0.5 in range(10 ** 12), 'a' in range(10 ** 12), sum(range(10 ** 12)), max(range(10 ** 12)), any(range(10 ** 12))",
        "for i, x in enumerate(range(10 ** 12)):\n    result = x\n    if i > 3:\n        break",
        "result = list(zip(range(10 ** 12), 'ab'))",
        "result = '{0.__class__}'.format(1)",
        "result = ('a.' * 9000).encode('idna')",
        "result = (':' * 20000).format(1)",
        "import math, os, itertools\nr = range(10 ** 12)\nresult = math.prod(r), math.fsum(r), os.path.commonprefix(r), bytes(r), str(r)",
        "import math\nresult = math.prod(range(0, 10 ** 12)), math.lcm(*range(1, 20000))",
        "x = list(range(20000))\nfor i in range(300):\n    for j in range(300):\n        y = x == x, str(x), x + [], sorted(x)\nresult = y",
    ],
)
def test_hostile_values_do_no_harm(code: str) -> None:
    Course(code)


@pytest.mark.parametrize(
    "expression",
    [
        "u + 1",
        "-u",
        "u == 'a'",
        "'a' == u",
        "u != None",
        "u is None",
        "u > 3",
        "len(u)",
        "int(u * 4)",
        "isinstance(u, (int, str))",
        "isinstance(u, (str, int))",
        "hasattr(u, 'x')",
        "u in ('a', 'b', 'c', 'd', 'e', 'f')",
        "'a' in u",
        "u[1]",
        "u['a']",
        "f'{u}_1'",
        "'%s_1' % u",
        "'{}_{}'.format(u, 2)",
        "'-'.join(['a', u])",
        "max(u, 3)",
        "range(u)",
        "enumerate(u)",
        "{'a': 1, 'b': 2}[u]",
        "math.ceil(u / 2)",
        "os.path.exists(u)",
        "os.environ['A']",
        "u ** 2 % 3",
        "str(u)",
        "type(u)",
    ],
)
def test_equal_expressions_of_unknown_values_are_equal(expression: str) -> None:
    course = Course(f"import math, os\na = {expression}\nb = {expression}\nu = v\nc = {expression}")
    a, b, c = course["a"], course["b"], course["c"]
    assert isinstance(a, Unknown) and isinstance(b, Unknown) and isinstance(c, Unknown)
    assert a.term == b.term
    assert a.term != c.term or "u" not in expression or "os." in expression and "u" not in expression.replace("os", "")


def term(expression: str) -> Any:
    value = Course(f"result = {expression}").result
    assert isinstance(value, Unknown)
    return value.term


def test_conditions_are_terms_that_the_machine_can_remember() -> None:
    u = term("u")
    assert term("u == 'a'") == term("'a' == u") == ("==", u, ("c", "a"))
    assert term("u != 'a'") == ("!=", u, ("c", "a"))
    assert term("u is None") == term("u == None") == ("is None", u)
    assert term("u is not None") == ("is not None", u)
    assert term("u in ('a', 'b')") == ("or", ("==", u, ("c", "a")), ("==", u, ("c", "b")))
    assert term("u in ('a',)") == ("==", u, ("c", "a"))
    assert term("u not in ('a', 'b')")[0] == "not"


def test_an_unknown_value_that_is_compared_takes_the_same_side_everywhere() -> None:
    course = Course(
        "if u == 'a':\n    first = u\nelse:\n    first = 0\nresult = u == 'a', u != 'a', u in ('a', 'b'), u == 'b', first"
    )
    assert plain(course.result) == (True, False, True, False, "a")


def test_an_unknown_value_equals_itself() -> None:
    assert value_of("result = u == u, u is u") == (True, True)


def test_what_is_computed_from_an_assumed_value_is_assumed() -> None:
    code = """
    import argparse
    p = argparse.ArgumentParser()
    p.add_argument("--depth", type=int, default="3")
    p.add_argument("-b", "--use-bn", action="store_true")
    p.add_argument("--sizes", nargs="+", default=[1, 2])
    p.add_argument("--name", required=True)
    p.add_argument("--none")
    p.add_argument("data")
    args = p.parse_args()
    a, b, c, d, e, f, g = args.depth + 1, args.use_bn, args.sizes[0], args.name, args.none, args.data, args.other
    h = not args.use_bn
    i = f"conv{args.depth}"
    j = vars(args)["depth"] == 3
    k = [1, 2, 3, 4][args.depth]
    m = max(args.depth, 1)
    """
    course = Course(code)
    for name, value in {"a": 4, "b": False, "c": 1, "e": None, "i": "conv3", "j": True, "k": 4, "m": 3}.items():
        found = course[name]
        assert isinstance(found, Const) and found.value == value and found.assumed, name
    assert all(isinstance(course[name], Unknown) for name in "dfg")


def test_a_default_of_an_environment_variable_is_assumed() -> None:
    found = Course("import os\nresult = int(os.environ.get('N', '3'))").result
    assert isinstance(found, Const) and found.value == 3 and found.assumed


def test_mutation_under_an_unknown_key_opens_a_container() -> None:
    course = Course("d = {'a': 1}\nd[u] = 2\nr = d['a'], d[u]\ns = d['b']\nl = [1, 2]\nl[u] = object()\nt = l[0]\nn = len(d)")
    d, list_ = course["d"], course["l"]
    assert isinstance(d, DictV) and d.open and plain(course["r"]) == (1, 2)
    assert isinstance(course["s"], Unknown) and isinstance(course["n"], Unknown)
    assert isinstance(list_, ListV) and list_.open and isinstance(course["t"], Unknown)


def test_an_item_stored_where_it_cannot_be_followed_escapes() -> None:
    course = Course("a, b, c, d = object(), object(), object(), object()\nl = [1]\nl[u] = a\nu[0] = b\nx = [c][u]\ne = [d, 1][u]")
    assert course.escaped("a") and course.escaped("b") and course.escaped("d")


def test_what_is_printed_or_logged_does_not_escape() -> None:
    course = Course(
        "import logging, warnings\na = object()\nprint(a)\nlogging.info('%s', a)\nlogging.getLogger('x').info(a)\nwarnings.warn(a)"
    )
    assert not course.escaped("a")


def test_known_items_of_a_partly_known_list_stay_in_sight() -> None:
    course = Course(
        """
        l = [1, 2]
        l.extend(u)
        l.append(3)
        m = [0] + u
        first, second, last, third, length = l[0], l[1], l[-1], l[2], len(l)
        head = m[0]
        """
    )
    assert [plain(course[name]) for name in ("first", "second", "last", "head")] == [1, 2, 3, 0]
    assert isinstance(course["third"], Unknown) and isinstance(course["length"], Unknown)


def test_loops_over_unknown_iterables_get_items_that_tell_what_they_are() -> None:
    code = """
    numbers, pairs, layers, ranges, doubled, keyed = [], [], [], [], [], []
    for i, x in enumerate(u, 1):
        numbers.append(i)
        pairs.append(x is u[i - 1])
    for a, b in zip([7, 8, 9], u):
        layers.append(a)
    for i in range(n):
        ranges.append(i)
    for x in map(lambda item: (item, 5), u):
        doubled.append(x[1])
    for key, value in u.items():
        keyed.append(key == value)
    """
    course = Course(code)
    assert plain(course["numbers"])[:2] == [1, 2]
    assert plain(course["pairs"])[:2] == [True, True]
    assert plain(course["layers"])[:2] == [7, 8]
    assert plain(course["ranges"])[:2] == [0, 1]
    assert plain(course["doubled"])[:2] == [5, 5]
    keyed = course["keyed"]
    assert isinstance(keyed, ListV) and all(isinstance(item, Unknown) for item in keyed.items)


def test_the_start_of_a_slice_with_an_unknown_end_is_known() -> None:
    course = Course("found = []\nfor x in [1, 2, 3, 4][1:n]:\n    found.append(x)")
    assert plain(course["found"])[:2] == [2, 3]


def test_a_choice_between_functions_by_an_unknown_name_calls_one() -> None:
    assert value_of("result = {'a': lambda: 1, 'b': lambda: 2}[u]()") in (1, 2)


def test_numpy_calls_that_make_configurations() -> None:
    code = """
    import numpy as np
    filters = (np.array([16, 32]) * 0.5).astype(int)
    result = (list(filters), np.prod((2, 3)), int(np.ceil(2.1)), list(np.arange(3)), [float(x) for x in np.linspace(0, 1, 3)],
              np.sum([1, 2]), np.max([1, 5]), np.mean([1, 2]), np.cumsum([1, 2]).tolist(), int(np.log2(8)), np.int32(3),
              filters.shape, len(filters), int(np.round(2.6)), np.array([[1, 2]]).shape, np.power(2, 3))
    """
    wanted = ([8, 16], 6, 3, [0, 1, 2], [0.0, 0.5, 1.0], 3, 5, 1.5, [1, 3], 3, 3, (2,), 2, 3, (1, 2), 8)
    assert value_of(code) == wanted


def test_random_numbers_are_unknown_and_never_equal() -> None:
    course = Course(
        "import numpy as np, random\na, b = np.random.rand(), np.random.rand()\nc, d = random.random(), random.random()"
    )
    a, b, c, d = (course[name] for name in "abcd")
    assert all(isinstance(each, Unknown) for each in (a, b, c, d))
    assert len({each.term for each in (a, b, c, d) if isinstance(each, Unknown)}) == 4


def test_decorators_of_the_standard_library_keep_the_function() -> None:
    code = """
    import functools, abc, typing
    @functools.lru_cache(maxsize=None)
    def a(): return 1
    @functools.lru_cache
    def b(): return 2
    def log(f):
        @functools.wraps(f)
        def inner(*args): return f(*args) + 10
        return inner
    @log
    def c(x): return x
    class K:
        @functools.cached_property
        def p(self): return object()
        @abc.abstractmethod
        def q(self): return 4
    k = K()
    result = a(), b(), c(3), k.p is k.p, k.q(), typing.cast(int, 5)
    """
    assert value_of(code) == (1, 2, 13, True, 4, 5)


def test_attribute_dictionaries() -> None:
    code = """
    from easydict import EasyDict as edict
    from types import SimpleNamespace
    cfg = edict()
    cfg.model = edict({'depth': 3, 'bn': {'momentum': 0.9}})
    cfg['lr'] = 1
    s = SimpleNamespace(a=1)
    s.b = 2
    result = cfg.model.depth, cfg.model.bn.momentum, cfg['model']['depth'], cfg.lr, s.a, s.b
    """
    assert value_of(code) == (3, 0.9, 3, 1, 1, 2)


def test_layers_are_told_apart_by_isinstance() -> None:
    code = """
    from tensorflow import keras
    from tensorflow.keras import layers
    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(3, 3)
    x, b, m = layers.Conv2D(3, 3), Block(), keras.Sequential()
    result = (isinstance(x, layers.Conv2D), isinstance(x, layers.Layer), isinstance(x, layers.BatchNormalization), isinstance(x, (int, str)),
              isinstance(b, Block), isinstance(b, layers.Layer), isinstance(b, layers.Conv2D), isinstance(x, Block),
              isinstance(m, keras.Model), isinstance(m, keras.Sequential), isinstance(x, keras.Model), hasattr(m, 'layers'), hasattr(x, 'layers'),
              hasattr(b, 'conv'), callable(x), x.__class__.__name__, type(x) is layers.Conv2D, x is x, x == b, x is None, x in [b, x],
              isinstance(3, layers.Layer), issubclass(Block, layers.Layer), issubclass(layers.Conv2D, layers.Layer), type(b).__name__)
    """
    wanted = (True, True, False, False, True, True, False, False, True, True, False, True, False, True, True, "Conv2D", True, True, False,
              False, True, False, True, True, "Block")  # fmt: skip
    assert value_of(code) == wanted


def test_a_shape_is_a_tuple_with_the_methods_of_a_shape() -> None:
    code = "from tensorflow import keras\nx = keras.Input((32, 32, 3))\nresult = x.shape[-1] * 2, x.shape[1:3] == (32, 32), len(x.shape), 32 // x.shape[1]"
    assert value_of(code) == (6, True, 4, 1)


def test_sums_of_unknown_parts_keep_tuples_and_lists_apart() -> None:
    course = Course("a = (None,) + u\nb = [1] * n\nc = u + [object()]")
    assert isinstance(course["a"], Unknown)
    b, c = course["b"], course["c"]
    assert isinstance(b, ListV) and b.open and plain(b.items[0]) == 1
    assert isinstance(c, ListV) and c.open


def test_named_tuples_and_tuples_of_unknown_length() -> None:
    course = Course("a = tuple(u)\nx, y = a[0], u[0]\nresult = x is y\nt = tuple([1, u])")
    assert plain(course.result) is True
    assert isinstance(course["t"], TupleV)


def test_no_python_exception_escapes() -> None:
    """Every builtin and method, called with strange arguments, gives a value or raises in the program."""
    values = ["None", "0", "1.5", "'a'", "b'a'", "[]", "[1]", "(1,)", "{}", "{'a':1}", "{1}", "u", "range(3)", "len", "int", "object",
              "lambda:0", "slice(1)", "range(10**12)", "-1"]  # fmt: skip
    from bnlint.interpreter.dispatch import METHODS, NATIVES

    course = Course("import functools, itertools, operator, collections, copy, math, os, numpy, json\nl = [1]\nl.extend(u)")
    calls: list[str] = []
    for path in sorted(NATIVES):
        if path.startswith(
            ("builtins.", "functools.", "itertools.", "operator.", "collections.", "copy.", "math.", "os.", "numpy.", "json.")
        ):
            calls.extend(f"{path.removeprefix('builtins.')}{arguments}" for arguments in _arguments(values))
    subjects = {
        "Const": ["'a'", "b'a'", "1", "range(3)"],
        "ListV": ["[1]", "iter([1])"],
        "DictV": ["{'a': 1}"],
        "SetV": ["{1}"],
        "TupleV": ["(1,)"],
    }
    for kind, name in sorted(METHODS, key=str):
        for subject in subjects.get(kind.__name__, []):
            calls.extend(f"({subject}).{name}{arguments}" for arguments in _arguments(values[::2]))
    assert len(calls) > 5_000
    assert [each for each in calls if _breaks(course, each)] == []


def _breaks(course: Course, call: str) -> bool:
    course.m.steps = 10**6
    try:
        course.m.execute(ast.parse(call).body, Frame(course.module, course.module.scope))
    except Raised:
        return False
    except (*PYTHON_ERRORS, MemoryError):
        return True
    return False


def _arguments(values: list[str]) -> list[str]:
    return ["()", *(f"({a})" for a in values), *(f"({a}, {b})" for a in values[::4] for b in values[::3])]


@pytest.mark.parametrize(
    "expression",
    [
        "n + 1",
        "'a' + n",
        "n[0]",
        "len(n)",
        "list(n)",
        "n.foo",
        "n > 3",
        "int(n)",
        "[1, 2][n]",
        "[1] + n",
        "n * [1]",
        "{'a': 1}[n]",
    ],
)
def test_an_assumed_default_that_does_not_fit_gives_an_unknown_value(expression: str) -> None:
    code = f"""
    import argparse
    p = argparse.ArgumentParser()
    p.add_argument("--n")
    n = p.parse_args().n
    result = {expression}
    """
    found = Course(code).result
    assert isinstance(found, Unknown) or isinstance(found, ListV) and found.open
