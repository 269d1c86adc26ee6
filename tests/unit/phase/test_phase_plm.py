import pytest
import torch
from torch import nn

from matcurate.phase.plm import PhaseLearningModule, PlmSettings, SpatialAwareness, StandardRatioEncoder, coordinates


def counted(part):
    return sum(value.numel() for value in part.parameters())


def test_parameters_at_vit_b_are_those_of_table_6():
    plm = PhaseLearningModule(256, 3)
    assert counted(plm.extractor) == 256 * 128 + 128 + 2 * 128 + 128 * 3 + 3 == 33_539
    assert counted(plm.ratio_encoder) == 3 * 128 + 128 + 128 * 256 + 256 == 33_536
    assert counted(plm.awareness) == 3 * (3 * 9 * 256 + 256) == 21_504
    gates = 512 * 9 * 256 + 256
    assert counted(plm.aggregator) == gates + 256 * 256 + 256 + 2
    assert round(gates / 1e6, 2) == 1.18


def test_regulators_start_at_one_half_and_learn():
    plm = PhaseLearningModule(8, 2)
    assert (plm.aggregator.gamma.item(), plm.aggregator.delta.item()) == (0.5, 0.5)
    plm(torch.randn(1, 8, 6, 10), torch.tensor([[0.3, 0.7]])).square().sum().backward()
    assert plm.aggregator.gamma.grad.abs() > 0 and plm.aggregator.delta.grad.abs() > 0


def test_a_new_module_adds_what_the_ratio_says_to_the_original_features():
    plm = PhaseLearningModule(8, 2)
    features, ratios = torch.randn(2, 8, 6, 10), torch.tensor([[0.3, 0.7], [0.0, 0.0]])
    aware = plm.awareness(plm.extractor(features)) * plm.ratio_encoder(ratios)[..., None, None]
    assert torch.allclose(plm(features, ratios), features + aware, atol=1e-6)


def test_gates_weigh_the_branches_apart():
    plm = PhaseLearningModule(2, 2)
    original, aware = torch.full((1, 2, 3, 3), 3.0), torch.full((1, 2, 3, 3), 5.0)
    with torch.no_grad():
        plm.aggregator.gates.bias.copy_(torch.tensor([100.0, -100.0]))
        plm.aggregator.gamma.fill_(0.25)
    # First gate open, second shut: 4 · (¼ · 1 · 3 + ½ · 0 · 5).
    assert torch.allclose(plm.aggregator(original, aware), torch.full((1, 2, 3, 3), 3.0))


def test_the_product_is_taken_per_channel_of_the_encoding():
    plm = PhaseLearningModule(4, 2)
    with torch.no_grad():
        for layer in (plm.ratio_encoder[0], plm.ratio_encoder[2]):
            layer.weight.zero_()
            layer.bias.zero_()
    features = torch.randn(1, 4, 5, 7)
    assert torch.allclose(plm(features, torch.tensor([[0.5, 0.5]])), features, atol=1e-6)


def test_permuted_phases_permute_the_module():
    """The sum over the phases does not know their order."""
    awareness = SpatialAwareness(3, 4)
    maps = torch.randn(1, 3, 5, 7)
    before = awareness(maps)
    awareness.phases = nn.ModuleList([awareness.phases[2], awareness.phases[0], awareness.phases[1]])
    assert torch.allclose(awareness(maps[:, [2, 0, 1]]), before, atol=1e-5)


def test_every_phase_has_a_coordconv_of_its_own():
    awareness = SpatialAwareness(3, 4)
    maps = torch.randn(2, 3, 5, 7)
    places = coordinates(maps)
    expected = sum(part(torch.cat([maps[:, index, None], places], 1)) for index, part in enumerate(awareness.phases))
    assert torch.allclose(awareness(maps), expected, atol=1e-5)


def test_coordinates_are_rows_then_columns():
    found = coordinates(torch.zeros(1, 5, 2, 3))
    assert found[0, 0].tolist() == [[-1, -1, -1], [1, 1, 1]]
    assert found[0, 1].tolist() == [[-1, 0, 1], [-1, 0, 1]]
    assert coordinates(torch.zeros(1, 1, 1, 1)).tolist() == [[[[0.0]], [[0.0]]]]


@pytest.mark.parametrize(("channels", "phases"), [(7, 2), (8, 1), (0, 3)])
def test_impossible_shapes_are_refused(channels, phases):
    with pytest.raises(ValueError, match="even number"):
        PhaseLearningModule(channels, phases)


def trained_per_phase(channels=4, phases=3):
    """A module in the text's form with weights as after training."""
    plm = PhaseLearningModule(channels, phases, PlmSettings(hidden=8, per_phase=True))
    with torch.no_grad():
        for value in plm.parameters():
            value.add_(torch.randn_like(value) * 0.3)
    return plm


def test_per_phase_no_ratio_changes_nothing_at_all():
    plm, features = trained_per_phase(), torch.randn(2, 4, 5, 7)
    plm.standardise(torch.tensor([[0.5, 0.3, 0.2], [0.7, 0.2, 0.1]]))
    assert torch.equal(plm(features, torch.zeros(2, 3)), features)
    mixed = plm(features, torch.tensor([[0.0, 0.0, 0.0], [0.2, 0.2, 0.6]]))
    assert torch.equal(mixed[0], features[0]) and not torch.allclose(mixed[1], features[1])


def test_per_phase_a_new_module_changes_nothing_and_learns():
    plm, features = PhaseLearningModule(4, 3, PlmSettings(hidden=8, per_phase=True)), torch.randn(1, 4, 5, 7)
    after = plm(features, torch.tensor([[0.2, 0.2, 0.6]]))
    assert torch.equal(after, features)
    after.square().sum().backward()
    assert plm.ratio_encoder.output.grad.abs().sum() > 0


def test_per_phase_each_map_has_its_own_encoding():
    """Σ_k CoordConv_k(m_k) · RE_k, with every convolution apart."""
    plm, maps, encodings = trained_per_phase(), torch.randn(1, 3, 5, 7), torch.randn(1, 3, 4)
    grid = coordinates(maps)
    expected = sum(
        plm.awareness.phases[k](torch.cat([maps[:, [k]], grid], dim=1)) * encodings[:, k, :, None, None]
        for k in range(3)
    )
    assert torch.allclose(plm.awareness.per_phase(maps, encodings), expected, atol=1e-6)


def test_per_phase_the_ratio_is_standardised_by_the_training_pictures():
    """Two pictures e^a : 1 with a = 1 and 3: centred logs ±a/2, mean ±1, standard deviation ½."""
    encoder = StandardRatioEncoder(2, 4, 8)
    odds = torch.tensor([1.0, 3.0]).exp()
    encoder.standardise(torch.stack([odds / (1 + odds), 1 / (1 + odds)], dim=1))
    assert torch.allclose(encoder.centre, torch.tensor([1.0, -1.0]), atol=1e-5)
    assert torch.allclose(encoder.spread, torch.tensor([0.5, 0.5]), atol=1e-5)


def test_per_phase_gates_have_as_many_parameters():
    text, today = PhaseLearningModule(8, 2, PlmSettings(per_phase=True)), PhaseLearningModule(8, 2)
    assert text.aggregator.gates.weight.numel() == today.aggregator.gates.weight.numel()
