"""The names by which rules guess what code is for: all of them, in one place.

A rule's page shows those that it goes by: ``{names: evaluation}`` in its text stands for the words of that group.
"""

from __future__ import annotations

NAMES: dict[str, tuple[str, ...]] = {
    # words in the names of functions, classes, loops and data: what the code is for
    "evaluation": (
        "test", "tests", "testing", "val", "valid", "validate", "validation", "eval", "evaluate", "evaluation", "evaluator",
        "predict", "predicts", "prediction", "predictions", "predictor", "infer", "inference", "score", "scoring", "accuracy",
        "metric", "metrics", "holdout", "dev", "classify", "psnr", "ssim", "auc", "benchmark", "uncertainty", "mc",
    ),
    "training": (
        "train", "trains", "trainer", "training", "fit", "pretrain", "finetune", "learn", "update", "optimize", "grad", "grads",
        "gradient", "gradients", "loss", "losses",
    ),
    "recalibration": (
        "recalibrate", "recalibration", "calibrate", "calibration", "adapt", "refresh", "warmup", "warm", "recompute", "reestimate",
        "bn",
    ),
    "generation": (
        "generate", "generates", "generator", "sample", "samples", "sampler", "sampling", "gan", "stylize", "translate", "synthesize",
    ),
    # those of training by which a function's callers tell more than itself
    "computations of losses": ("loss", "losses"),
    # those of them that say which part of the data is meant: they tell more than what is computed from it
    "parts of data": (
        "test", "tests", "testing", "val", "valid", "validate", "validation", "eval", "evaluate", "evaluation", "holdout", "dev",
        "train", "trains", "training", "trainer", "fit", "pretrain", "finetune",
    ),
    "meta-learning": ("maml", "fomaml", "reptile", "meta", "inner"),
    # words of a file of unit tests
    "unit tests": ("unittest", "pytest", "TestCase", "absltest", "test_combinations"),
    # functions that give layers weights
    "loaders": (
        "load_weights", "set_weights", "load_model", "from_pretrained", "from_preset", "restore", "latest_checkpoint", "assign",
        "load_own_variables", "load_state_dict", "load_checkpoint", "load_pretrained", "load_pretrained_weights",
        "load_weights_from",
    ),
    # parts of a text by which code picks normalizations among layers
    "normalizations": ("bn", "batch", "norm"),
    # parameters and attributes that say how many samples a batch has
    "batch sizes": (
        "batch_size", "batchsize", "batch_sz", "bsize", "batch", "bs", "BATCH_SIZE", "_batch_size", "nb_batch", "n_batch",
    ),
    # parts of the name of a variable by which code asks whether it is training
    "modes": ("train", "phase", "mode", "infer", "eval", "test", "predict", "learn"),
    # words that tell weights which are kept beside those of the model
    "averages": (
        "ema", "emas", "average", "averages", "averaged", "averaging", "avg", "polyak", "swa", "shadow", "teacher", "momentum",
        "moving", "target", "snapshot", "best", "sync", "copy", "federated", "fedavg",
    ),
    # words in the name of a project's own loss
    "losses of classifiers": (
        "crossentropy", "entropy", "bce", "cce", "scce", "wbce", "focal", "dice", "jaccard", "iou", "tversky", "hinge",
    ),
    "losses of regressors": ("mse", "rmse", "mae", "mape", "msle", "rmsle", "huber", "logcosh", "poisson"),
    # a weight whose name has a word of both is a moving statistic
    "kept": ("moving", "running", "ema", "pop", "population", "global", "mov", "run", "tracked", "accumulated"),
    "moments": ("mean", "means", "var", "variance", "vars", "std", "average", "avg", "sigma", "mu", "stddev"),
    # parts of the names of presets: architectures with batch normalization, and what they were trained on
    "architectures of presets": (
        "resnet", "efficientnet", "densenet", "mobilenet", "xception", "darknet", "inception", "yolo", "regnet", "hgnet",
    ),
    "data of presets": ("imagenet", "coco", "pascal", "voc", "ade20k", "cityscapes"),
}  # fmt: skip


def shown(group: str) -> str:
    """The words of a group as a page lists them."""
    return ", ".join(f"`{word}`" for word in NAMES[group])
