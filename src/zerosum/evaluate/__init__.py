"""How good are the samples: metrics as pure functions of features, each figure with its interval, floor and provenance."""

from zerosum.evaluate.classifier import Labelled, accuracy_score, augmentation_lift, train_classifier
from zerosum.evaluate.figures import Figure, from_plain, table, to_plain
from zerosum.evaluate.frechet import Moments, frechet_distance, frechet_infinity, frechet_per_class
from zerosum.evaluate.kernel import kernel_distance, kernel_distance_subsets
from zerosum.evaluate.manifold import manifold
from zerosum.evaluate.memorisation import memorisation
from zerosum.evaluate.path_length import path_length
from zerosum.evaluate.points import class_coverage, point_coverage, stacked_coverage
from zerosum.evaluate.runner import METRICS, Examples, evaluate_features

__all__ = [
    "METRICS",
    "Examples",
    "Figure",
    "Labelled",
    "Moments",
    "accuracy_score",
    "augmentation_lift",
    "class_coverage",
    "evaluate_features",
    "frechet_distance",
    "frechet_infinity",
    "frechet_per_class",
    "from_plain",
    "kernel_distance",
    "kernel_distance_subsets",
    "manifold",
    "memorisation",
    "path_length",
    "point_coverage",
    "stacked_coverage",
    "table",
    "to_plain",
    "train_classifier",
]
