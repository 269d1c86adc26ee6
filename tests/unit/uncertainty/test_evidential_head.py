import copy

import numpy as np
import pytest
import torch

from matcurate.uncertainty.dirichlet import vacuity
from matcurate.uncertainty.head import EvidentialHead, HeadSettings, begin_head
from matcurate.uncertainty.trainer import HeadTraining, train_head
from matcurate.uncertainty.whitening import fit_whitening

DIMENSIONS = 12
QUICK = HeadTraining(epochs=12, batch=64, learning_rate=0.02)
WEIGHTS = ("prototypes", "log_precision", "bias")
"""Those that have one row for each class."""
ROUNDING = 1e-3
"""Relative tolerance of evidence. A distance is the difference of numbers near 10⁴, which single precision keeps to
10⁻³; a precision near 0.08 makes that 10⁻⁴ of log evidence for each rounding, and processors sum products of other
shapes in other orders."""


def clouds(classes: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Samples around random centres; some directions vary far more than others."""
    rng = np.random.default_rng(7)
    centres, spread = rng.normal(0, 4, (20, DIMENSIONS)), np.geomspace(0.05, 1, DIMENSIONS)
    labels = np.repeat(np.arange(classes), each)
    noise = np.random.default_rng(seed).normal(size=(len(labels), DIMENSIONS))
    return (centres[labels] + spread * noise).astype(np.float32), labels


def begun(classes: int = 4) -> EvidentialHead:
    return begin_head([f"class {k}" for k in range(classes)], *clouds(classes, 30), HeadSettings())


def test_whitening_makes_the_scatter_within_classes_one_along_every_axis() -> None:
    samples, labels = clouds(5, 400)
    white = fit_whitening(samples, labels, 64, 1e-6)(samples)
    around = white - np.stack([white[labels == k].mean(axis=0) for k in range(5)])[labels]
    np.testing.assert_allclose(around.T @ around / len(around), np.eye(DIMENSIONS), atol=1e-3)


def test_whitening_passes_over_numbers_that_never_change() -> None:
    samples, labels = clouds(3, 20)
    whitening = fit_whitening(np.hstack([samples, np.ones((60, 2))]), labels, 64, 0.02)
    assert np.isfinite(whitening.projection).all()
    assert not whitening.projection[-2:].any()


def test_logits_by_hand() -> None:
    head = begun(2)
    with torch.no_grad():
        head.prototypes.zero_()
        head.prototypes[1, 0] = 2.0
        head.log_precision.copy_(torch.log(torch.tensor([0.5, 0.25])))
        head.bias.copy_(torch.tensor([3.0, 1.0]))
        point = torch.zeros(1, head.prototypes.shape[1])
        point[0, 0] = 4.0
        # 3 - 0.5 · 4², 1 - 0.25 · 2²
        assert head.logits(point).tolist() == [[-5.0, 0.0]]


def test_what_is_far_from_every_class_has_no_evidence_and_training_learns_the_classes() -> None:
    head = begun()
    before = copy.deepcopy(head.get_buffer("projection"))
    train_head(head, *clouds(4, 30), QUICK, rng=np.random.default_rng(0))
    samples, labels = clouds(4, 50, seed=1)
    alpha = head.parameters_of(samples)
    assert (alpha.argmax(axis=1) == labels).all()
    assert vacuity(alpha).mean() < 0.2
    assert vacuity(head.parameters_of(np.full((1, DIMENSIONS), 1e4)))[0] > 0.99
    assert torch.equal(before, head.get_buffer("projection"))


def test_training_repeats_under_its_generator() -> None:
    heads = [begun() for _ in range(3)]
    for head, seed in zip(heads, (3, 3, 4), strict=True):
        train_head(head, *clouds(4, 30), HeadTraining(epochs=3, batch=16, mixing=0.1), rng=np.random.default_rng(seed))
    assert torch.equal(heads[0].prototypes, heads[1].prototypes)
    assert not torch.equal(heads[0].prototypes, heads[2].prototypes)


def test_mixing_makes_the_middle_between_two_classes_nothing() -> None:
    samples, labels = clouds(4, 30)
    middle = (samples[labels == 0] + samples[labels == 1]) / 2
    found = []
    for mixing in (0.0, 1.0):
        head = begun()
        with torch.no_grad():
            head.log_precision.sub_(4)  # classes that reach far
        train_head(head, samples, labels, QUICK.model_copy(update={"mixing": mixing}), rng=np.random.default_rng(0))
        found.append(vacuity(head.parameters_of(middle)).mean())
    assert found[1] > found[0] + 0.1


def test_a_new_class_appends_one_output_and_keeps_every_other_weight_bit_for_bit() -> None:
    head = begun()
    train_head(head, *clouds(4, 30), QUICK, rng=np.random.default_rng(0))
    samples, labels = clouds(5, 30)
    longer = head.extended("widmanstätten", samples[labels == 4])
    assert longer.classes == (*head.classes, "widmanstätten")
    for name, value in head.state_dict().items():
        grown = longer.state_dict()[name]
        if name in WEIGHTS:
            assert grown.shape == (5, *value.shape[1:])
            assert torch.equal(grown[:4], value)
        else:
            assert torch.equal(grown, value)
    np.testing.assert_allclose(longer.parameters_of(samples)[:, :4], head.parameters_of(samples), rtol=ROUNDING)


def test_after_a_new_class_training_goes_on_with_old_and_new() -> None:
    head = begun()
    train_head(head, *clouds(4, 30), QUICK, rng=np.random.default_rng(0))
    samples, labels = clouds(5, 30)
    fresh, truth = clouds(5, 40, seed=2)
    assert vacuity(head.parameters_of(fresh[truth == 4])).mean() > 0.9
    longer = head.extended("new", samples[labels == 4])
    train_head(longer, samples, labels, QUICK, rng=np.random.default_rng(1))
    assert (longer.parameters_of(fresh).argmax(axis=1) == truth).all()
    assert vacuity(longer.parameters_of(fresh[truth == 4])).mean() < 0.3


def test_a_class_is_taken_out_with_its_output_and_the_others_stay_bit_for_bit() -> None:
    head = begun()
    train_head(head, *clouds(4, 30), QUICK, rng=np.random.default_rng(0))
    samples, _ = clouds(4, 5, seed=1)
    shorter = head.without("class 1")
    assert shorter.classes == ("class 0", "class 2", "class 3")
    for name, value in head.state_dict().items():
        assert torch.equal(shorter.state_dict()[name], value[[0, 2, 3]] if name in WEIGHTS else value), name
    alpha = head.parameters_of(samples)[:, [0, 2, 3]]
    np.testing.assert_allclose(shorter.parameters_of(samples), alpha, rtol=ROUNDING)
    with pytest.raises(ValueError, match="cannot take class 'x'"):
        head.without("x")


def test_one_class_alone_has_evidence_by_distance_and_learns_nothing() -> None:
    samples, labels = clouds(1, 60)
    head = begin_head(["only"], samples, labels, HeadSettings())
    before = copy.deepcopy(head.state_dict())
    train_head(head, samples, labels, QUICK, rng=np.random.default_rng(0))
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())
    alpha = head.parameters_of(clouds(1, 40, seed=1)[0])
    np.testing.assert_allclose(vacuity(alpha), 1 / alpha[:, 0])
    assert vacuity(alpha).mean() < 0.2
    assert vacuity(head.parameters_of(np.full((1, DIMENSIONS), 1e4)))[0] > 0.99
    with pytest.raises(ValueError, match="cannot take"):
        head.without("only")
    with pytest.raises(ValueError, match="needs a class"):
        begin_head([], samples[:0], labels[:0], HeadSettings())


def test_a_head_can_stand_on_a_whitening_from_elsewhere() -> None:
    samples, labels = clouds(5, 40)
    whitening = fit_whitening(samples, labels, 64, 0.02)
    head = begin_head(["one"], samples[:1], labels[:1], HeadSettings(), whitening)
    assert np.allclose(head.get_buffer("projection").numpy(), whitening.projection.astype(np.float32))
    u = vacuity(head.parameters_of(samples))
    assert u[:40].mean() < 0.2  # one crop is enough, since how far crops of a class scatter is known
    assert u[40:].min() > 0.9


def test_a_class_of_one_crop_is_as_wide_as_the_others() -> None:
    head = begun()
    samples, _ = clouds(5, 1)
    longer = head.extended("rare", samples[4:])
    assert longer.log_precision[4] == head.log_precision.median()


def test_the_order_of_the_classes_does_not_matter() -> None:
    samples, labels = clouds(4, 30)
    order = np.array([2, 0, 3, 1])
    names = ["a", "b", "c", "d"]
    straight = begin_head(names, samples, labels, HeadSettings())
    turned = begin_head([names[k] for k in np.argsort(order)], samples, order[labels], HeadSettings())
    np.testing.assert_allclose(
        straight.parameters_of(samples), turned.parameters_of(samples)[:, order], rtol=1e-3, atol=1e-3
    )


def test_what_does_not_fit_is_refused() -> None:
    samples, labels = clouds(3, 5)
    settings = HeadSettings()
    with pytest.raises(ValueError, match="finite"):
        begin_head(["a", "b", "c"], np.full_like(samples, np.nan), labels, settings)
    with pytest.raises(ValueError, match="sample of each"):
        begin_head(["a", "b", "c", "d"], samples, labels, settings)
    with pytest.raises(ValueError, match="none twice"):
        begin_head(["a", "b", "a"], samples, labels, settings)
    head = begin_head(["a", "b", "c"], samples, labels, settings)
    with pytest.raises(ValueError, match="none twice"):
        head.extended("b", samples[:2])
    with pytest.raises(ValueError, match="at least one crop"):
        head.extended("d", samples[:0])
    with pytest.raises(ValueError, match="do not fit"):
        train_head(head, samples, labels[:-1], QUICK, rng=np.random.default_rng(0))
