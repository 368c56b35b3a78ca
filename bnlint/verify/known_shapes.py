"""The shapes of inputs that stand in a source."""

from __future__ import annotations

import ast


def shapes_in(text: str) -> list[tuple[int, ...]]:
    """The shapes of one sample that stand in the code: in ``Input``, ``input_shape=`` and made-up arrays."""
    found: list[tuple[int, ...]] = []
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for keyword in [ast.keyword(None, each) for each in node.args] + node.keywords:
                shape = _constant_shape(keyword.value)
                if shape is None:
                    continue
                if name in ("Input", "InputLayer") or "input_shape" in (keyword.arg or ""):
                    found.append(shape)
                elif name in (
                    "normal",
                    "randn",
                    "rand",
                    "random",
                    "uniform",
                    "zeros",
                    "ones",
                    "standard_normal",
                    "random_sample",
                    "build",
                ):
                    found.append(shape[1:])
        elif isinstance(node, ast.Assign) and any("shape" in ast.unparse(target).lower() for target in node.targets):
            found.append(_constant_shape(node.value) or ())
    return [each for each in found if each and all(size > 0 for size in each)]


def _constant_shape(node: object) -> tuple[int, ...] | None:
    if not isinstance(node, (ast.Tuple, ast.List)):
        return None
    sizes = [each.value if isinstance(each, ast.Constant) else None for each in node.elts]
    if not sizes or not all(isinstance(size, int) or size is None for size in sizes):
        return None
    return tuple(size if isinstance(size, int) else 8 for size in sizes)
