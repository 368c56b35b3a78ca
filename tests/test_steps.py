"""Gradient steps: which calls feed a loss, for which models its gradient is taken, and which are updated with it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from bnlint.index import Project
from bnlint.interpreter import analyse
from bnlint.steps import gradient_steps

HEAD = """
    import keras
    import tensorflow as tf

    def net(name):
        x = keras.Input((4,))
        return keras.Model(x, keras.layers.BatchNormalization()(keras.layers.Dense(4, use_bias=False)(x)), name=name)

    a, b = net("a"), net("b")
    optimizer = keras.optimizers.Adam()
    mse = keras.losses.MeanSquaredError()
"""


def steps(folder: Path, body: str) -> list[tuple[list[str], list[str], list[str]]]:
    """For each step of a script the names of the models called, differentiated and updated."""
    path = folder / "script.py"
    (folder / "setup.cfg").touch()
    path.write_text(dedent(HEAD) + dedent(body))
    program = analyse(Project.around(str(path)), [path])

    def names(layers: object) -> list[str]:
        return [str(program.name(each)).split('"')[1] for each in layers]  # type: ignore[attr-defined]

    return [
        (names(call.layer for call in each.calls), names(each.differentiated), names(each.updated))
        for each in gradient_steps(program)
    ]


def test_a_tape_knows_its_calls_and_models(tmp_path: Path) -> None:
    found = steps(
        tmp_path,
        """
        def step(x, y):
            unused = b(x)
            with tf.GradientTape() as tape:
                loss = mse(y, a(x)) + tf.add_n(a.losses)
                logged = b(x)
            gradients = tape.gradient(loss, a.trainable_variables)
            optimizer.apply_gradients(zip(gradients, a.trainable_variables))
        """,
    )
    assert found == [(["a"], ["a"], ["a"])]


def test_gradients_are_followed_through_what_changes_them(tmp_path: Path) -> None:
    found = steps(
        tmp_path,
        """
        def step(x, y, optimizer):
            with tf.GradientTape() as tape:
                scaled = optimizer.get_scaled_loss(mse(y, b(a(x))))
            weights = a.trainable_variables + b.trainable_variables
            gradients = optimizer.get_unscaled_gradients(tape.gradient(scaled, weights))
            gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
            gradients = [tf.clip_by_norm(each, 1.0) for each in gradients]
            optimizer.apply_gradients((g, w) for g, w in zip(gradients, weights) if g is not None)
        """,
    )
    assert found[0] == (["a", "b"], ["a", "b"], ["a", "b"])


def test_a_gradient_that_is_not_applied_updates_nothing(tmp_path: Path) -> None:
    found = steps(
        tmp_path,
        """
        def saliency(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                score = a(x)
            return tape.gradient(score, x)
        """,
    )
    assert found == [(["a"], [], [])]


def test_no_gradient_goes_through_what_stops_it(tmp_path: Path) -> None:
    found = steps(
        tmp_path,
        """
        def step(x):
            with tf.GradientTape() as tape:
                target = tf.stop_gradient(b(x))
                loss = mse(tf.one_hot(tf.argmax(b(x), -1), 4), a(x)) + mse(target, a(x))
            optimizer.apply(tape.gradient(loss, a.trainable_variables), a.trainable_variables)
        """,
    )
    assert found == [(["a", "a"], ["a"], ["a"])]


def test_sums_of_gradients_and_steps_by_hand_are_updates(tmp_path: Path) -> None:
    found = steps(
        tmp_path,
        """
        sums = [tf.Variable(tf.zeros_like(each)) for each in a.trainable_variables]

        def accumulate(x, y):
            with tf.GradientTape() as tape:
                loss = mse(y, a(x))
            for total, gradient in zip(sums, tape.gradient(loss, a.trainable_variables)):
                total.assign_add(gradient)
            optimizer.apply_gradients(zip(sums, a.trainable_variables))

        def by_hand(x, y):
            with tf.GradientTape() as tape:
                loss = mse(y, b(x))
            for weight, gradient in zip(b.trainable_variables, tape.gradient(loss, b.trainable_variables)):
                weight.assign_sub(0.1 * gradient)
        """,
    )
    assert found == [(["a"], ["a"], ["a"]), (["b"], ["b"], ["b"])]


def test_minimize_and_value_and_grad_take_gradients_of_functions(tmp_path: Path) -> None:
    found = steps(
        tmp_path,
        """
        import jax

        def minimized(x, y):
            optimizer.minimize(lambda: mse(y, a(x)), a.trainable_variables)

        def loss_fn(weights, others, x, y):
            output, others = b.stateless_call(weights, others, x)
            return mse(y, output), others

        def stateless(state, x, y):
            weights, others, moments = state
            (loss, others), gradients = jax.value_and_grad(loss_fn, has_aux=True)(weights, others, x, y)
            weights, moments = optimizer.stateless_apply(moments, gradients, weights)
            return weights, others, moments
        """,
    )
    assert sorted(found) == [(["a"], ["a"], ["a"]), (["b"], ["b"], ["b"])]
