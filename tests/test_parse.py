"""The guard: what Python reads is parsed, what it cannot digest is cut, what is no Python is refused with a reason."""

from __future__ import annotations

import ast
import sys
import warnings

import pytest

from bnlint import parse_text, parse_tree
from bnlint.parse import CUT_NAME, Parsed, ParseError, parse
from bnlint.parse_text import cut_text
from bnlint.source import from_text

DEEP = {
    "parentheses": "(" * 10_000 + "a" + ")" * 10_000,
    "calls": "f(" * 10_000 + "a" + ")" * 10_000,
    "keyword arguments": "f(k=" * 10_000 + "a" + ")" * 10_000,
    "lists": "[" * 10_000 + "a" + "]" * 10_000,
    "dicts": "{1:" * 10_000 + "a" + "}" * 10_000,
    "tuples": "(" * 10_000 + "a" + ",)" * 10_000,
    "starred": "f(*" * 10_000 + "a" + ")" * 10_000,
    "comprehensions": "[" * 1_000 + "a" + " for b in c]" * 1_000,
    "lambdas in parentheses": "(lambda: " * 10_000 + "a" + ")" * 10_000,
    "chained calls": "a" + ".b()" * 4_000,
    "more chained calls": "a" + ".b()" * 60_000,
    "attributes": "a" + ".b" * 20_000,
    "subscripts": "a" + "[0]" * 20_000,
    "additions": "a" + "+1" * 20_000,
    "additions in lines": "(a" + "\n+1" * 20_000 + ")",
    "additions in continued lines": "a" + "\\\n+1" * 20_000,
    "powers": "a" + "**1" * 20_000,
    "minuses": "-" * 20_000 + "a",
    "nots": "not " * 20_000 + "a",
    "lambdas": "lambda: " * 20_000 + "a",
    "lambdas with parameters": "lambda p, q=1: " * 20_000 + "a",
    "conditional expressions": "1 if a else " * 20_000 + "1",
    "non-ASCII text": "a" + "+'é'" * 20_000,
}
FORMS = (
    "x = {}",
    "x: int = {}",
    "f({}, 1)",
    "return_ = [1, {}]",
    "if {}: pass",
    "with {} as b: pass",
    "x[{}] += 1",
    "assert {}, 1",
)


def parsed(text: str) -> Parsed:
    return parse(from_text("/code.py", text))


def refused(text: str) -> ParseError:
    with pytest.raises(ParseError) as caught:
        parsed(text)
    assert caught.value.path == "/code.py"
    return caught.value


def depth(tree: ast.AST) -> int:
    """How deep expressions nest, told without recursion."""
    deepest, stack = 0, [(tree, 0)]
    while stack:
        node, level = stack.pop()
        level += isinstance(node, ast.expr)
        deepest = max(deepest, level)
        stack += [(child, 0 if isinstance(child, ast.stmt) else level) for child in ast.iter_child_nodes(node)]
    return deepest


def names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def test_ordinary_code_is_parsed_as_python_parses_it() -> None:
    text = "import keras\n\n\ndef f(x, *, y=1):\n    return {x: [y for z in x if (lambda: z)()]}\n"
    result = parsed(text)
    assert ast.dump(result.tree, include_attributes=True) == ast.dump(ast.parse(text), include_attributes=True)
    assert result.cuts == []


def test_warnings_about_the_text_are_not_shown() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parsed('x = "\\d"\ny = 1 is 1\nassert (x, "always true")\n')


def test_a_syntax_error_has_its_place() -> None:
    error = refused("import keras\nx = 1 +\n")
    assert (error.line, error.message) == (2, "invalid syntax")
    error = refused("é = (1 1)\n")
    assert (error.line, error.column) == (1, 6)


def test_the_place_of_a_syntax_error_is_in_the_file() -> None:
    for text in ("", "\n", "(", "x = '''", "\t x\n  y", "if 1:", "\\", "x = 'a", "€", "class", "\f)", "x = 1\r\r)"):
        try:
            parsed(text)
        except ParseError as error:
            assert 1 <= error.line <= len(from_text("", text).lines) and error.column >= 1, text


def test_a_nul_byte_is_refused_where_it_stands() -> None:
    error = refused("x = 1\ny = '\0'\n")
    assert (error.line, error.column) == (2, 6)
    assert "NUL" in error.message


def test_a_lone_surrogate_is_refused() -> None:
    assert "surrogates not allowed" in refused("x = '\ud800'\n").message


@pytest.mark.parametrize("kind", DEEP)
def test_what_nests_too_deeply_is_cut_and_the_rest_stays_in_place(kind: str) -> None:
    text = f"first = 1\nx = {DEEP[kind]}; behind = 2\nlast = 3\n"
    result = parsed(text)
    assert {"first", "behind", "last", CUT_NAME} <= names(result.tree)
    assert depth(result.tree) <= parse_tree.MAX_DEPTH + 5
    (cut,) = result.cuts
    assert cut.line <= 2 + text.count("\n") and set(cut.names) <= {"a", "b", "c", "f", "p", "q"}
    behind, last = result.tree.body[-2:]
    assert text.encode().splitlines()[behind.lineno - 1][behind.col_offset :] == b"behind = 2"
    assert (last.lineno, last.col_offset) == (text.count("\n"), 0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["parentheses", "chained calls", "additions in lines", "lambdas in parentheses"])
def test_deep_expressions_are_cut_wherever_one_can_stand(kind: str, form: str) -> None:
    result = parsed(form.format(DEEP[kind]) + "\nlast = 3\n")
    assert len(result.cuts) == 1
    assert type(result.tree.body[0]) is type(ast.parse(form.format("a")).body[0])


@pytest.mark.parametrize(
    "head", ["for a in {}:", "while {}:", "@{}\nclass C:", "class C({}):", "def f(a={}):", "def f(a) -> {}:"]
)
def test_deep_expressions_are_cut_in_the_head_of_a_block(head: str) -> None:
    result = parsed(head.format(DEEP["chained calls"]) + "\n    inside = 1\nlast = 3\n")
    assert len(result.cuts) == 1
    assert type(result.tree.body[0]) is type(ast.parse(head.format("a") + "\n  pass").body[0])


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\r"])
def test_a_cut_keeps_every_kind_of_line_end(separator: str) -> None:
    text = separator.join(["x = [", "(" * 5_000, "a, é", ")" * 5_000 + "]; y = 2", "last = 1"])
    y, last = parsed(text).tree.body[-2:]
    assert (y.lineno, y.col_offset, last.lineno) == (4, 5_003, 5)


def test_a_cut_tells_which_names_were_used() -> None:
    result = parsed("x = " + "layers.add(" * 5_000 + "branch, name=f'{number}', other=lambda: 'text'" + ")" * 5_000)
    (cut,) = result.cuts
    assert set(cut.names) == {"layers", "branch", "number"}
    (call,) = (node for node in ast.walk(result.tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == CUT_NAME)
    assert {argument.id for argument in call.args if isinstance(argument, ast.Name)} == set(cut.names)


def test_chains_of_real_length_are_left_alone() -> None:
    for text in ("x = 1" + " + a" * 200, "x = a" + ".b(1)" * 100, "x = " + "f(" * 90 + ")" * 90, "x = a" + " or a" * 5_000):
        assert parsed(text).cuts == []


def test_what_is_too_deep_is_cut_at_the_bottom_of_the_tree() -> None:
    result = parsed("x = " + "a.b()" + ".c()" * 200 + " + y\n")
    (cut,) = result.cuts
    assert cut.names == ("a",)
    assert isinstance(result.tree.body[0], ast.Assign)
    assert isinstance(result.tree.body[0].value, ast.BinOp)
    assert ast.unparse(result.tree.body[0]).endswith(".c() + y")


def test_deep_targets_stay_targets() -> None:
    result = parsed("a" + "[0]" * 400 + " = 1\ndel b" + ".c" * 400 + "\nfor d" + ".e" * 400 + " in f: pass\n")
    assert len(result.cuts) == 3
    compile(result.tree, "", "exec")


def test_names_bound_inside_a_cut_are_no_names_of_it() -> None:
    inner = "[b for b in c if (lambda d: d)(e)]" + ".f" * 300
    (cut,) = parsed(f"x = {inner}").cuts
    assert set(cut.names) == {"c", "e"}


@pytest.mark.parametrize(
    "head", ["if", "while", "match", "for", "try", "with", "function", "decorator", "elif", "except", "case", "one line", "lines"]
)
def test_no_place_escapes_the_limit_on_depth(head: str) -> None:
    long = "a" + ".b()" * 300
    text = {
        "if": f"if {long}:\n  pass",
        "while": f"while 1:\n  pass\nelse:\n  x = {long}",
        "match": f"match {long}:\n  case 1:\n    pass",
        "for": f"for i in {long}:\n  pass",
        "try": f"try:\n  pass\nfinally:\n  {long}",
        "with": f"with a, {long}:\n  pass",
        "function": f"def f(a,\n b={long}):\n  pass",
        "decorator": f"class A:\n  @a\n  @{long}\n  def f(self):\n    pass",
        "elif": f"if a:\n  pass\nelif b:\n  pass\nelif {long}:\n  pass\nelse:\n  pass",
        "except": f"try:\n  pass\nexcept A:\n  pass\nexcept {long}:\n  pass",
        "case": f"match a:\n  case 1:\n    pass\n  case 2 if {long}:\n    pass",
        "lines": "@(a" + "\n.b()" * 300 + ")\ndef f(): pass",
        "one line": f"x = 1; y = {long}; z = 'é'; w = 1",
    }[head]
    result = parsed(text + "\n")
    assert len(result.cuts) == 1
    assert depth(result.tree) <= parse_tree.MAX_DEPTH + 5


@pytest.mark.parametrize("form", ["x = {}", "x = array({}, dtype='f')", "x = [1, {}, y]", "f(a, *{}, **b)"])
@pytest.mark.parametrize(
    "element", ["0, ", "-1.5e-7,\n", "'a', ", "[1, 'b'], ", "{1: 2}, ", "(None, True), ", "[[1, 2], [3, 4]],\n"]
)
def test_a_huge_literal_is_cut_and_the_rest_stays_in_place(form: str, element: str) -> None:
    text = form.format("[" + element * (600_000 // len(element)) + "]") + "; behind = é = 1\nlast = 2\n"
    result = parsed(text)
    (cut,) = result.cuts
    assert "literal" in cut.reason and cut.names == ()
    assert sum(1 for _ in ast.walk(result.tree)) < 50
    behind, last = result.tree.body[-2:]
    assert text.encode().splitlines()[behind.lineno - 1][behind.col_offset :].decode() == "behind = é = 1"
    assert last.lineno == text.count("\n")


def test_each_huge_literal_of_several_is_cut_on_its_own() -> None:
    numbers = "[" + "1, " * 100_000 + "]"
    result = parsed(f"x = {{'a': {numbers}, 'b': {numbers}, 'c': [1, 2]}}\n")
    assert len(result.cuts) == 2
    assert ast.unparse(result.tree) == f"x = {{'a': {CUT_NAME}, 'b': {CUT_NAME}, 'c': [1, 2]}}"


def test_a_huge_call_tells_its_names() -> None:
    (cut,) = parsed("x = f(" + "g(a), " * 150_000 + ")\n").cuts
    assert set(cut.names) == {"g", "a"}


def test_long_text_that_is_not_much_to_parse_is_left_alone() -> None:
    text = f"x = '''{'a, (b) ' * 500_000}'''\n# {'[' * 100_000}\ny = 1\n" + "\n" * 100_000
    assert parsed(text).cuts == []


@pytest.mark.parametrize("count", [10, 1_000, 5_000, 20_000])
def test_no_branch_of_an_elif_chain_is_lost(count: int) -> None:
    branches = "".join(f"    elif a == {number}:\n        x = {number}\n" for number in range(count))
    text = f"def f():\n    if b:\n        x = 1\n{branches}    else:\n        x = None\n    return x\n"
    result = parsed(text)
    assert result.cuts == []
    (function,) = result.tree.body
    assert isinstance(function, ast.FunctionDef)
    branch, behind = function.body
    assert isinstance(behind, ast.Return)
    for number in range(count):
        assert isinstance(branch, ast.If)
        (branch,) = branch.orelse
        assert (branch.lineno, branch.col_offset) == (4 + 2 * number, 4)
        assert (branch.end_lineno, branch.end_col_offset) == (5 + 2 * count, 16)
    assert isinstance(branch, ast.If) and isinstance(branch.orelse[0], ast.Assign)


def test_split_elif_chains_come_together_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
if a: x = 1
elif b:
    if c:
        pass
    elif d:
        pass
    elif e:
        pass
elif f:
    x = 2
elif g:
    pass
if h:
    pass
else:
    if i:
        pass
    elif j:
        pass
try:
    pass
except E:
    if k: pass
    elif l: pass
    elif m: pass
    else: pass
"""
    monkeypatch.setattr(parse_text, "MAX_ELIFS", 1)
    edited = cut_text(text)
    assert len(edited.split_elifs) == text.count("elif")
    tree = ast.parse(edited.text)
    parse_tree.join_elifs(tree, edited.split_elifs)
    assert ast.dump(tree, include_attributes=True) == ast.dump(ast.parse(text), include_attributes=True)


def test_text_within_the_limits_is_not_edited() -> None:
    for module in (ast, parse_text, parse_tree, pytest):
        assert module.__file__
        with open(module.__file__, encoding="utf-8") as file:
            text = file.read()
        edited = cut_text(text)
        assert edited.text == text and not edited.cuts and not edited.split_elifs


def test_cuts_at_tiny_limits_leave_everything_else_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def places(tree: ast.AST) -> set[tuple[str, int, int]]:
        return {(type(node).__name__, node.lineno, node.col_offset) for node in ast.walk(tree) if isinstance(node, ast.stmt)}

    monkeypatch.setattr(parse_text, "MAX_DEPTH", 25)
    monkeypatch.setattr(parse_text, "MAX_LITERAL_TOKENS", 10)
    for module in (ast, warnings, parse_text, parse_tree, pytest):
        assert module.__file__
        with open(module.__file__, encoding="utf-8") as file:
            text = file.read()
        assert places(ast.parse(cut_text(text).text)) == places(ast.parse(text))


@pytest.mark.parametrize(
    "text",
    ["f(1)\n" * 300_000, "x = 1\n" * 300_000, "'\n" * 1_000_000, "x = " + "0, " * 500_000, "a" * 21_000_000],
    ids=["calls", "assignments", "quotes", "tuple", "name"],
)
def test_what_is_too_large_is_refused(text: str) -> None:
    assert "too large" in refused(text).message


@pytest.mark.parametrize("text", ["(" * 10_000, "x = " + "[" * 500 + "]" * 499, "a" + "[(b]" * 300, ")" * 10_000, "f'{" * 1_000])
def test_unbalanced_brackets_are_refused(text: str) -> None:
    refused(text)


def test_blocks_nested_deeper_than_python_allows_are_refused() -> None:
    text = "".join(f"{' ' * level}if a:\n" for level in range(150)) + " " * 150 + "pass\n"
    assert "too deeply" in refused(text).message


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('print "epoch %d" % epoch', "print statement"),
        ("if verbose: print 'a', 1", "print statement"),
        ("print x", "print statement"),
        ('exec "x = 1"', "exec statement"),
        ("except IOError, e:", "except X, e"),
        ("except (IOError, OSError), e:", "except X, e"),
        ('raise ValueError, "no layers"', "raise X, message"),
        ("x = `y`", "backticks"),
        ("if a <> b: pass", "<> operator"),
        ("os.chmod(path, 0755)", "octal or long number"),
        ("x = 10L", "octal or long number"),
        ('x = ur"text"', "ur string"),
        ("def f(a, (b, c)): pass", "tuple parameter"),
        ("f = lambda (a, b): a", "tuple parameter"),
    ],
)
def test_python_2_is_recognised(line: str, what: str) -> None:
    text = f"import keras\ntry:\n    pass\n{line}\n    pass\n" if line.startswith("except") else f"import keras\n{line}\n"
    assert refused(text).message.endswith(f"this looks like Python 2 ({what}), bnlint reads Python 3")


NEWER = [
    ((3, 11), "try:\n    pass\nexcept* ValueError:\n    pass", "except*"),
    ((3, 11), "x = a[*b]", "a starred subscript"),
    ((3, 12), "type Shape = tuple[int, ...]", "the `type` statement"),
    ((3, 12), "type Pair[T] = tuple[T, T]", "the `type` statement"),
    ((3, 12), "def f[T](x: T) -> T: return x", "a type parameter list"),
    ((3, 12), "class A[T, *S]: pass", "a type parameter list"),
    ((3, 12), 'x = f"{d["a"]}"', "this f-string"),
    ((3, 12), "x = f'{\"\\n\".join(a)}'", "this f-string"),
    ((3, 13), "class A[T = int]: pass", "a type parameter with a default"),
    ((3, 14), "x = t'{a}'", "a template string"),
    ((3, 14), "try:\n    pass\nexcept ValueError, TypeError:\n    pass", "except with several types but no parentheses"),
]


@pytest.mark.parametrize(("needed", "text", "what"), NEWER)
def test_newer_syntax_is_read_or_the_python_it_needs_is_named(needed: tuple[int, int], text: str, what: str) -> None:
    if sys.version_info >= needed:
        parsed(text)
    else:
        version = ".".join(map(str, needed))
        assert f"{what} needs Python {version} or newer" in refused(text).message


@pytest.mark.parametrize(
    "line", ["x = (1 2)", "f(a b)", "print('a' 1 2)", "class A(: pass", "x = 'print y", "x = {1: 2 3: 4}", "a b"]
)
def test_an_ordinary_mistake_gets_no_guess(line: str) -> None:
    message = refused(f"{line}\n").message
    assert "Python 2" not in message and "newer" not in message
