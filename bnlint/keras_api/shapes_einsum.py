"""The equations of ``EinsumDense``: the output's shape, its bias's axis, and which axis a constant comes out on."""

from __future__ import annotations

import re
from typing import NamedTuple

from bnlint.keras_api.shapes_size import UNKNOWN, Dim, Shape, as_shape

_FORMS = (
    re.compile(r"([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]+)"),
    re.compile(r"\.\.\.([a-zA-Z]+),([a-zA-Z]+)->\.\.\.([a-zA-Z]+)"),
    re.compile(r"([a-zA-Z]{2,})\.\.\.,([a-zA-Z]+)->([a-zA-Z]+)\.\.\."),
)


class Equation(NamedTuple):
    """The axes of input, kernel and output, a letter each; ``elided`` tells on which side more axes are passed through."""

    input: str
    kernel: str
    output: str
    elided: str | None


def parse(equation: object) -> Equation | None:
    """Return the parts of an equation in a form that ``EinsumDense`` takes."""
    if not isinstance(equation, str):
        return None
    for form, elided in zip(_FORMS, (None, "left", "right"), strict=True):
        match = form.fullmatch(equation.replace(" ", ""))
        if match:
            return Equation(match[1], match[2], match[3], elided)
    return None


def einsum_dense_shape(equation: object, output_shape: object, shape: Shape, legacy: bool) -> Shape:
    """Return the output's shape; ``output_shape`` is the layer's argument, without the batch axis and the elided ones."""
    parts = parse(equation)
    if parts is None or (shape is None and parts.elided):
        return None
    more = 0 if shape is None else len(shape) - len(parts.input)
    if more < 0 or (more and not parts.elided):
        return None
    rank = len(parts.output) + more
    batch: Dim = UNKNOWN if shape is None else shape[0]
    passed = () if shape is None else shape[1:more] if parts.elided == "left" else shape[len(shape) - more :]
    if parts.elided == "left" and not legacy:
        # Keras 3 declares several elided axes in reverse order; the layers behind go by what it declares.
        passed = passed[::-1]
    given = as_shape(output_shape if isinstance(output_shape, (tuple, list)) else (output_shape,))
    if given is None or output_shape is UNKNOWN:
        given = (UNKNOWN,) * (rank - 1 - len(passed))
    result = (batch, *passed, *given) if parts.elided == "left" else (batch, *given, *passed)
    if len(result) != rank:
        return (UNKNOWN,) * rank
    return _filled(parts, result, shape) if legacy else result


def _filled(parts: Equation, result: tuple[Dim, ...], shape: Shape) -> Shape:
    # Keras 2 runs the operation, whose result knows the sizes of the axes it takes over from the input.
    shape = shape or (UNKNOWN,) * len(parts.input)
    more = len(shape) - len(parts.input) if parts.elided == "left" else 0
    sizes = list(result)
    for position, letter in enumerate(parts.output):
        if letter in parts.input and sizes[more + position] is None:
            sizes[more + position] = shape[more + parts.input.index(letter)]
    return tuple(sizes)


def bias_axis(arguments_equation: object, bias_axes: object) -> int | None:
    """Return the output axis, counted from the end, on which the bias varies; ``None`` if there are none or several."""
    parts = parse(arguments_equation)
    if parts is None or not isinstance(bias_axes, str) or len(bias_axes) != 1 or bias_axes not in parts.output:
        return None
    position = parts.output.index(bias_axes)
    return position if parts.elided == "right" else position - len(parts.output)


def follow(equation: object, rank: int, axis: int) -> int | None:
    """Return the output axis on which the output stays constant per index, for an input constant per index of ``axis``."""
    parts = parse(equation)
    if parts is None:
        return None
    more = rank - len(parts.input)
    if more < 0 or (more and not parts.elided):
        return None
    before = more if parts.elided == "left" else 0
    position = axis - before
    if not 0 <= position < len(parts.input):
        return None
    letter = parts.input[position]
    varying = {name for name in parts.kernel if name in parts.output} | ({letter} & set(parts.output))
    if len(varying) != 1:
        return None
    return before + parts.output.index(varying.pop())
