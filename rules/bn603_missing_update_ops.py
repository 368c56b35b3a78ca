"""Missing update operations.

## What it does
Reports a batch normalization of TensorFlow 1 (`tf.layers.batch_normalization`, `slim.batch_norm`, `tf.contrib.layers.batch_norm`) in training
mode where an optimizer takes its steps and nothing runs the operations in `tf.GraphKeys.UPDATE_OPS`. Also a batch normalization of Keras
that such an optimizer trains in a graph, where nothing runs `layer.updates`, and a `tf.layers.batch_normalization` without
`training`, which is False by default.

## Why is this bad?
In a graph of TensorFlow 1 the updates of the moving statistics are operations of their own, which only a collection knows. Nobody
runs them unless told to (measured: after 20 steps the moving mean is 0.00, with the dependency 4.2 to 4.5). Training looks fine;
with `training=False` the network predicts nonsense. Keras puts nothing into the collection (measured: 0 operations, while
`layer.updates` has 2), so that the usual recipe does not help there. Without `training` the layer normalises with 0 and 1 for ever.

## Bad
```python
import tensorflow.compat.v1 as tf

x = tf.placeholder(tf.float32, [None, 8])
y = tf.placeholder(tf.float32, [None, 1])
training = tf.placeholder(tf.bool)
h = tf.layers.dense(x, 16, use_bias=False)
h = tf.nn.relu(tf.layers.batch_normalization(h, training=training))  # BN603
loss = tf.losses.mean_squared_error(y, tf.layers.dense(h, 1))
step = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Good
```python
import tensorflow.compat.v1 as tf

x = tf.placeholder(tf.float32, [None, 8])
y = tf.placeholder(tf.float32, [None, 1])
training = tf.placeholder(tf.bool)
h = tf.layers.dense(x, 16, use_bias=False)
h = tf.nn.relu(tf.layers.batch_normalization(h, training=training))
loss = tf.losses.mean_squared_error(y, tf.layers.dense(h, 1))
with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
    step = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Limits
Looks at the file, at those that import it, and at what these import. Silent where any of them does something with the collection (as a
dependency, in a group, in `session.run`), or uses `create_train_op` or `optimize_loss`; with `updates_collections=None`; in inference mode; and
where no optimizer of TensorFlow 1 is in sight. A missing `training` is passed over where weights are loaded, and Keras's layers where `fit`
or a tape trains something, or their mode is not given. That only some of the updates are run, or that the collection is read too
early, is not seen.

## Verify
There is no experiment: TensorFlow 1's graphs are not run.

## References
- <https://github.com/tensorflow/tensorflow/issues/16102>
- <https://github.com/tensorflow/tensorflow/issues/15727>
- <https://github.com/YunYang1994/tensorflow-yolov3/issues/23>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import Finding, Program, Rule, lost_keras_updates, never_in_training, report, unrun_updates

RULE = Rule(code="BN603", name="missing-update-ops", severity="error")


def check(program: Program) -> Iterator[Finding]:
    for reference in unrun_updates(program):
        name = reference.names[0].rpartition(".")[2]
        message = (
            f"the updates of {name} are never run, so that its moving statistics stay at 0 and 1; make the training step under "
            "tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS))"
        )
        yield report(RULE, reference.span, message)
    for reference in never_in_training(program):
        message = (
            "training is False by default, so that this normalises with the mean 0 and the variance 1 that it begins with; pass training="
            ", and run UPDATE_OPS with the training step"
        )
        yield report(RULE, reference.span, message)
    for call, layer in lost_keras_updates(program):
        message = (
            f"the updates of {program.name(layer)} are never run, so that its moving statistics stay at 0 and 1: Keras puts them into "
            "layer.updates and not into UPDATE_OPS; run them with the training step"
        )
        yield report(RULE, call.span, message)
