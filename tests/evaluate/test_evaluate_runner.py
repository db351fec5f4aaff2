"""Every figure carries its provenance; few samples are labelled; only Inception's distance is called fid."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from zerosum.evaluate import METRICS, Examples, Figure, evaluate_features, from_plain, table, to_plain
from zerosum.evaluate.diversity import mean_distance
from zerosum.evaluate.figures import HIGHER_IS_BETTER, LOWER_IS_BETTER
from zerosum.evaluate.frechet import frechet_distance
from zerosum.evaluate.kernel import kernel_distance
from zerosum.evaluate.manifold import manifold
from zerosum.evaluate.metrics import ALL_METRICS

JUDGE = {"judge": "lite0", "judge_hash": "0123456789abcdef" * 4, "resize": "bilinear to 224", "split": "test"}
CENTRES = np.random.default_rng(5).normal(scale=4, size=(5, 12))


def examples(num: int, seed: int, noise: float = 1.0) -> Examples:
    stream = np.random.default_rng(seed)
    labels = np.arange(num) % 5
    features = (CENTRES[labels] + noise * stream.normal(size=(num, 12))).astype(np.float32)
    images = stream.integers(0, 256, size=(num, 1, 16, 16), dtype=np.uint8)
    return Examples(features, labels, 4 * np.eye(5)[labels] + stream.normal(size=(num, 5)), images)


REAL, FAKE, TRAIN = examples(200, 0), examples(120, 1, noise=1.5), examples(300, 2).features


def evaluate(metrics: tuple[str, ...], real: Examples = REAL, fake: Examples = FAKE, **options: object) -> dict[str, Figure]:
    figures = evaluate_features(real, fake, metrics, **{**JUDGE, "train": TRAIN, **options})
    return dict(zip(metrics, figures, strict=True))


def test_every_metric_in_the_order_asked_for() -> None:
    figures = evaluate(METRICS, num_subsets=4)
    for name, figure in figures.items():
        assert np.isfinite(figure.value), name
        assert (figure.judge, figure.resize, figure.split, figure.seed) == ("lite0", "bilinear to 224", "test", 0)
        assert (figure.num_real, figure.num_fake) == (200, 120)
        assert figure.floor is not None, name
        if name != "fid-infinity":
            assert figure.interval is not None, name
            assert figure.interval[0] <= figure.value <= figure.interval[1], name
    for name in LOWER_IS_BETTER & set(METRICS) - {"duplicates", "ms-ssim", "copied", "mifid"}:
        assert figures[name].value > figures[name].floor, name
    for name in ("precision", "density", "inception-score"):
        assert figures[name].value < figures[name].floor + 0.1, name
    assert set(ALL_METRICS) > LOWER_IS_BETTER | HIGHER_IS_BETTER
    assert list(evaluate(("recall", "kid"), num_subsets=0)) == ["recall", "kid"]


def test_values_are_those_of_the_pure_functions() -> None:
    figures = evaluate(("fid", "kid", "coverage", "diversity"), num_subsets=0)
    assert figures["fid"].value == frechet_distance(REAL.features, FAKE.features)
    estimate = kernel_distance(REAL.features, FAKE.features)
    assert (figures["kid"].value, figures["kid"].interval) == (estimate.value, estimate.interval)
    assert figures["coverage"].value == manifold(REAL.features, FAKE.features).coverage
    assert figures["diversity"].value == mean_distance(FAKE.features) / mean_distance(REAL.features)
    assert figures["fid"].interval is None


def test_only_inception_gives_fid() -> None:
    metrics = ("fid", "kid", "fid-infinity", "fid-per-class", "mifid", "inception-score", "precision")
    shown = [figure.name for figure in evaluate(metrics, num_subsets=0).values()]
    assert shown[:2] == ["frechet (lite0)", "kernel distance (lite0)"]
    assert not [name for name in shown if "fid" in name or "kid" in name or "inception" in name]
    assert [figure.name for figure in evaluate(metrics, num_subsets=0, judge="inception").values()] == list(metrics)


def test_notes() -> None:
    figures = evaluate(("fid", "kid", "precision", "ms-ssim"), fake=examples(150, 1), max_samples=100, num_subsets=0)
    assert "few samples (150 < 5,000): biased upwards, read kid instead" in figures["fid"].note
    assert "real against real at 100 samples" in figures["fid"].note
    assert "few samples" not in figures["kid"].note
    assert "100 of 200 real drawn; 100 of 150 generated drawn" in figures["precision"].note
    assert (figures["precision"].num_real, figures["precision"].num_fake) == (100, 100)
    assert "1 of 5 scales" in figures["ms-ssim"].note
    wide = Examples(np.random.default_rng(0).normal(size=(40, 64)))
    assert "fewer samples than the 64 dimensions" in evaluate(("fid",), wide, wide, num_subsets=0)["fid"].note
    many = Examples(np.random.default_rng(0).normal(size=(10_000, 2)))
    assert evaluate(("fid",), many, Examples(many.features[:5000]), num_subsets=0)["fid"].note == ""
    assert "few samples (24 < 5,000)" in evaluate(("fid-per-class",), num_subsets=0)["fid-per-class"].note, "120 in 5 classes"
    dropped = FAKE.take(np.flatnonzero(np.asarray(FAKE.labels) != 3))
    assert "fewer than 2 samples of class 3" in evaluate(("fid-per-class",), fake=dropped, num_subsets=0)["fid-per-class"].note


def test_memorised_and_healthy_samples() -> None:
    copies = Examples(TRAIN[:100])
    copied = evaluate(("copied", "closer"), fake=copies)
    assert (copied["copied"].value, copied["closer"].value) == (1, 1)
    assert copied["closer"].floor == pytest.approx(0.5, abs=0.1)
    hits = []
    for seed in range(20):
        low, high = evaluate(("closer",), examples(200, 3 + 2 * seed), examples(150, 4 + 2 * seed))["closer"].interval or (1, 0)
        hits.append(low < 0.5 < high)
    assert np.mean(hits) > 0.8, "fresh samples are as close as held-out ones"


def test_the_seed_decides() -> None:
    assert evaluate(("fid", "precision"), num_subsets=4) == evaluate(("fid", "precision"), num_subsets=4)
    first, second = (evaluate(("fid",), num_subsets=4, seed=seed)["fid"] for seed in (1, 2))
    assert first.value == second.value
    assert first.interval != second.interval
    assert first.floor != second.floor


def test_plain_data_and_table() -> None:
    figures = list(evaluate(("fid", "kid", "recall"), num_subsets=4).values())
    plain = json.loads(json.dumps(to_plain(figures), allow_nan=False))
    assert from_plain(plain) == figures
    assert plain["frechet (lite0)"]["judge_hash"] == JUDGE["judge_hash"]
    with pytest.raises(ValueError, match="figure 'x' must have the fields"):
        from_plain({"x": {"value": 1}})
    console = Console(width=200, file=io.StringIO())
    console.print(table(figures))
    text = console.file.getvalue()
    assert "lite0 (0123456789ab, torch), bilinear to 224" in text
    assert "frechet (lite0)" in text
    assert "200 (test)" in text


def test_refusals_in_words() -> None:
    bare = Examples(REAL.features)
    with pytest.raises(ValueError, match="99 labels for 200 features: there must be one for every example"):
        Examples(REAL.features, np.zeros(99, dtype=int))
    for metrics, real, options, words in (
        (("fdi",), REAL, {}, "unknown metric 'fdi'; there are fid, fid-infinity"),
        (("inception-score",), bare, {}, "metrics inception-score need logits of real examples"),
        (("copied",), REAL, {"train": None}, "metrics copied, closer need training features"),
        (("fid",), Examples(REAL.features[:20]), {}, "real features of 20 examples, but at least 24"),
        (("fid",), Examples(REAL.features[:, :3]), {}, "real features have 3 dimensions, generated ones 12"),
        (("fid",), Examples(REAL.features * np.float32(np.nan)), {}, "real features are NaN or infinite for 200 of 200"),
    ):
        with pytest.raises(ValueError, match=words):
            evaluate(metrics, real, **options)
