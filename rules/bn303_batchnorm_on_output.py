"""Batch normalization on an output.

## What it does
Reports a batch normalization on the output of a model that is trained as a classifier or regressor: behind the output activation
(softmax, sigmoid), as the last layer, or between the last linear layer and the output activation.

## Why is this bad?
Predictions of a batch get a mean and a variance that are learnt, whatever the batch holds. Behind a softmax, the numbers are no
probabilities any more: measured, they lie between -1.1 and 1.1 (-3.0 and 1.7 with rare positives), and rows sum to -0.35. On the output
of a regressor whose targets have mean 50, the squared error after 640 steps is 1911, and 10 without the normalization: beta
has to travel all the way. On the logits a classifier still fits, but a batch that holds one class alone is classified right at 59 % (20 %
with rare positives) in training mode, where it is 100 % without; with `center=False` and `scale=False` the logits cannot
grow, and the loss stays at 0.13 where it is 0.0003 without.

## Bad
```python
import keras
from keras import layers

prices = keras.Sequential(
    [
        keras.Input((13,)),
        layers.Dense(64, activation="relu"),
        layers.Dense(1, use_bias=False),
        layers.BatchNormalization(),  # BN303
    ]
)
prices.compile("adam", "mse")
prices.fit(keras.ops.ones((4096, 13)), keras.ops.ones((4096, 1)), batch_size=64, epochs=20)

digits = keras.Sequential()
digits.add(layers.Dense(64, activation="relu", input_shape=(784,)))
digits.add(layers.Dense(10, activation="softmax"))
digits.add(layers.BatchNormalization())  # BN303
digits.compile("adam", "sparse_categorical_crossentropy")
```

## Good
```python
import keras
from keras import layers

prices = keras.Sequential(
    [
        keras.Input((13,)),
        layers.Dense(64, activation="relu"),
        layers.BatchNormalization(),
        layers.Dense(1),
    ]
)
prices.compile("adam", "mse")
```

## Fix safety
The fix takes the normalization out. It is unsafe: the model has other weights and must be trained again. There is none where the layer is made
in a class, by a factory, or for other places, too.

## Limits
Silent where nothing in sight tells what the output is for: a model that is neither compiled nor trained by a loop with a known loss, or whose
loss is not known or compares outputs of models (embeddings, projectors, backbones), and a model whose output feeds another one, as a
generator's does. A normalization as the last layer of a regressor is reported where the model is fitted in sight, or its
builder is given to a tuner of KerasTuner or to a wrapper for scikit-learn. A loss of
the project's own is known by the words of its name: {names: losses of classifiers} for a
classifier; {names: losses of regressors} for a regressor.

## Verify
Follows the layer's output into the model's, in training mode. Where an output is what the layer gives, or an activation of it, and nothing else, the finding is
confirmed by numbers outside 0 and 1 that were probabilities before, or by means that stay the same (to 1 % of a standard deviation)
when the layer's input is doubled and shifted. It is refuted where layers with weights follow.

## References
- <https://stackoverflow.com/questions/34716454/where-do-i-call-the-batchnormalization-function-in-keras>
- <https://github.com/keras-team/keras/issues/5644>
- <https://keras.io/api/layers/normalization_layers/batch_normalization/>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Finding,
    Fix,
    Inconclusive,
    LayerV,
    OutputNorm,
    Program,
    Related,
    Rule,
    Severity,
    Span,
    Verdict,
    output_norms,
    removal,
    report,
)

RULE = Rule(code="BN303", name="batchnorm-on-output", severity="error", fix="unsafe")
WORST: tuple[Severity, ...] = ("error", "warning", "info")


def check(program: Program) -> Iterator[Finding]:
    found: dict[Span, list[OutputNorm]] = {}
    for each in output_norms(program):
        if each.norm.site is not None:
            found.setdefault(each.norm.site.span, []).append(each)
    instances = dict(program.sites("keras.layers.BatchNormalization"))
    for span, norms in found.items():
        worst = min(norms, key=lambda each: WORST.index(severity(program, each)))
        related = (Related(worst.output.call.span, f"trained as a {worst.output.loss.role} here"),)
        always = {id(each.norm) for each in norms} == {id(each) for each in instances[span]}
        names = {program.name(each.norm) for each in norms}
        name = names.pop() if len(names) == 1 else program.name(worst.norm).partition(" ")[0]
        message = f"{name} {fault(program, worst)}"
        level = severity(program, worst)
        yield report(RULE, span, message, severity=level, related=related, fix=fix(worst.norm) if always else None)


def severity(program: Program, found: OutputNorm) -> Severity:
    if found.kind == "logits":
        is_fixed = found.activation != "sigmoid" and found.output.loss.role == "classifier" and not affine(program, found.norm)
        return "error" if is_fixed else "info"
    return "error" if found.kind == "behind" or found.output.loss.role == "classifier" else "warning"


def affine(program: Program, norm: LayerV) -> bool:
    """Whether a normalization learns scale and offset, as far as is known."""
    return program.argument(norm, "center") is not False and program.argument(norm, "scale") is not False


def fault(program: Program, found: OutputNorm) -> str:
    if found.kind == "behind":
        return f"follows the output's {found.activation}: what comes out are no probabilities; remove it"
    if found.kind == "logits" and severity(program, found) == "error":
        return "normalizes the logits without scale or offset, so that they cannot grow; remove it"
    if found.kind == "logits":
        return "normalizes the output's logits, so that predictions depend on what else is in the batch; remove it"
    if found.output.loss.role == "classifier":
        return "is the output, but the loss takes probabilities, and these are numbers of any sign; remove it"
    return "is the output of a regressor: predictions of each batch get one learnt mean and variance; remove it"


def fix(norm: LayerV) -> Fix | None:
    edits = removal(norm)
    return Fix("Remove the normalization", "unsafe", edits) if edits else None


def experiment(bench: Bench) -> Verdict:
    """Compares the model's outputs with the layer's, in training mode, and looks how they follow the layer's input.

    The output must be the layer's own, or an activation of it, to 1e-4 of its scale; that what follows has weights is seen from
    their inputs, which change with the layer's output. Batch statistics
    keep the means of its outputs to rounding, so that 0.01 is far above the noise, and far below what is without them.
    """
    for norm in bench.made(bench.is_norm):
        role = bench.observer.output_role(bench.model_of(norm), norm)
        if role is None or role.activation is None:
            continue
        measured = {"lowest": role.lowest, "highest": role.highest, "shift": role.shift}
        of = f"the {role.activation} of this layer's output" if role.activation else "this layer's output"
        if role.probabilities and not role.activation and (role.lowest < -0.01 or role.highest > 1.01):
            text = f"probabilities go in, and the model's output lies between {role.lowest:.2f} and {role.highest:.2f}"
            return bench.decided(True, text, **measured)
        text = (
            f"the model's output is {of}; with its input doubled and shifted by 5 standard deviations, the means of what it gives "
            f"move by {role.shift:.0e} standard deviations"
        )
        return bench.decided(role.shift < 0.01, text, **measured)
    if role is None:
        raise Inconclusive("the model does not run the layer")
    if role.behind:
        names = ", ".join(role.behind[:3])
        return bench.decided(False, f"the model's output is none of this layer's: layers with weights follow it ({names})")
    raise Inconclusive("what is between this layer and the model's output is not known")
