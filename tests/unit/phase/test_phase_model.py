import pytest
import segmentation_models_pytorch as smp
import torch

from matcurate.errors import ConfigError
from matcurate.phase.lora import LoraSettings
from matcurate.phase.model import Encoding, Levels, PhaseModel, Segmenter
from matcurate.phase.plm import PlmSettings
from matcurate.phase.sam import SamSegmenter, resized_encoder
from matcurate.phase.unet import UNetSegmenter
from tests.unit.small_network import small_network
from tests.unit.tiny_sam import tiny_sam

IMAGES = torch.randn(2, 1, 96, 160, generator=torch.Generator().manual_seed(0))
RATIOS = torch.tensor([[0.2, 0.3, 0.5], [0.0, 0.0, 0.0]])


class SmpSegmenter(Segmenter):
    """Any network of segmentation-models-pytorch."""

    def __init__(self, network):
        super().__init__()
        self.encoder, self.decoder, self.head = network.encoder, network.decoder, network.segmentation_head
        self.channels, self.window = self.encoder.out_channels[-1], None
        self.lora_targets = ("conv1", "conv2")

    def encode(self, images):
        *skips, features = self.encoder(images)
        return Encoding(features, tuple(skips), images.shape[-2:])

    def decode(self, encoding):
        return self.head(self.decoder([*encoding.skips, encoding.features]))

    def levels(self, grey):
        return Levels(0.0, 1.0)


def builtin():
    return UNetSegmenter(small_network(), 3, torch.Generator().manual_seed(0))


def sam():
    return SamSegmenter(tiny_sam(), 3, 256)


def unet_of_smp():
    return SmpSegmenter(smp.Unet("resnet18", encoder_weights=None, in_channels=1, classes=3))


SEGMENTERS = [builtin, sam, unet_of_smp]


def model_of(segmenter, plm=True, **lora):
    torch.manual_seed(0)
    return PhaseModel(segmenter(), 3, LoraSettings(rank=2, **lora), PlmSettings(hidden=8) if plm else None)


@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_contract_of_every_segmenter(segmenter):
    model = model_of(segmenter).eval()
    with torch.inference_mode():
        logits = model(IMAGES, RATIOS)
        assert logits.shape == (2, 3, 96, 160)
        # Each image is segmented for itself.
        assert torch.allclose(model(IMAGES[1:], RATIOS[1:]), logits[1:], atol=1e-4)
        # The ratio is heard, through whatever encoder.
        assert not torch.allclose(model(IMAGES[:1], RATIOS[:1]), model(IMAGES[:1], RATIOS[1:]), atol=1e-4)


@pytest.mark.parametrize("segmenter", [builtin, sam])
def test_every_map_of_a_description_shows_a_pixel_at_its_place(segmenter):
    """A change at (row 70, column 20) moves every map most near there, counted in pixels of the span."""
    model, grey = model_of(segmenter).eval(), torch.zeros(1, 1, 90, 150)
    spot = grey.clone()
    spot[..., 68:73, 18:23] = 5.0
    with torch.inference_mode():
        before, after = (model.described(each, RATIOS[:1]) for each in (grey, spot))
        assert torch.equal(after.logits, model(spot, RATIOS[:1]))
    assert before.span[0] >= 90 and before.span[1] >= 150
    for old, new in zip(before.maps[:-1], after.maps[:-1], strict=True):
        rows, columns = (edge / side for edge, side in zip(before.span, new.shape[2:], strict=True))
        row, column = divmod(int((new - old).abs().sum(1).argmax()), new.shape[3])
        assert abs((row + 0.5) * rows - 70.5) <= 2 * rows + 3
        assert abs((column + 0.5) * columns - 20.5) <= 2 * columns + 3
    assert after.maps[-1].shape[2:] == after.span


@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_training_moves_what_is_learned_and_nothing_else(segmenter):
    model = model_of(segmenter).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    learned = set(model.learned_state())
    optimizer = torch.optim.SGD([value for value in model.parameters() if value.requires_grad], lr=1.0)
    for _ in range(2):  # A moves once B has.
        optimizer.zero_grad()
        model(IMAGES, RATIOS).square().mean().backward()
        optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed <= learned
    assert {name.split(".")[0] for name in changed} == {"segmenter", "plm"}
    assert any("lora_A" in name for name in changed) and any("lora_B" in name for name in changed)
    assert not any(".k." in name for name in changed)


@pytest.mark.parametrize("options", [{"skips": 2}, {"decoded": True}, {"skips": 1, "decoded": True}])
def test_modules_stand_on_skips_and_behind_the_decoder(options):
    torch.manual_seed(0)
    model = PhaseModel(builtin(), 3, LoraSettings(rank=2), PlmSettings(hidden=8, **options)).eval()
    widths = [module.aggregator.output.out_channels for module in model.modules_of_ratio()]
    # Coarsest, then the coarsest skips from fine to coarse, then what the head gets.
    skips = [4, 16, 24, 32, 48]
    kept = len(skips) - options.get("skips", 0)
    assert widths == [64, *skips[kept:], *([8] if options.get("decoded") else [])]
    with torch.inference_mode():
        encoding = model.segmenter.encode(IMAGES)
        changed = model.aware(encoding, RATIOS)
        same = [torch.equal(old, new) for old, new in zip(encoding.skips, changed.skips, strict=True)]
        assert same == [index < kept for index in range(5)]
        assert model(IMAGES, RATIOS).shape == (2, 3, 96, 160)


def test_modules_that_cannot_stand_where_they_are_asked_for():
    with pytest.raises(ConfigError, match="encoder has 5 skips"):
        PhaseModel(builtin(), 3, LoraSettings(rank=2), PlmSettings(skips=6))
    with pytest.raises(ConfigError, match="cannot be separated"):
        PhaseModel(sam(), 3, LoraSettings(rank=2), PlmSettings(decoded=True))


def test_without_the_module_the_ratio_is_not_looked_at():
    model = model_of(builtin, plm=False).eval()
    with torch.inference_mode():
        assert torch.equal(model(IMAGES, RATIOS), model(IMAGES, torch.zeros_like(RATIOS)))


def test_learned_state_carries_a_model_over():
    first, second = model_of(builtin), model_of(builtin)
    with torch.no_grad():
        for value in first.learned_state().values():
            value.add_(1 if value.dtype == torch.int64 else torch.rand_like(value))
    second.load_learned_state(first.learned_state())
    with torch.inference_mode():
        assert torch.equal(first.eval()(IMAGES, RATIOS), second.eval()(IMAGES, RATIOS))
    with pytest.raises(KeyError):
        model_of(builtin, plm=False).load_learned_state(first.learned_state())


def test_the_decoder_of_the_builtin_network_is_its_own():
    network = small_network()
    segmenter = UNetSegmenter(network, 4, torch.Generator()).eval()
    segmenter.head = network.heads
    with torch.inference_mode():
        assert torch.allclose(
            segmenter.decode(segmenter.encode(IMAGES)), network(IMAGES), atol=1e-3
        )  # norms are folded


def test_sams_encoder_of_its_own_size_is_unchanged_and_of_another_interpolated():
    encoder = tiny_sam().image_encoder
    torch.nn.init.normal_(encoder.pos_embed)
    assert torch.equal(resized_encoder(encoder, 256).pos_embed, encoder.pos_embed)
    smaller = resized_encoder(encoder, 128)
    assert smaller.pos_embed.shape == (1, 8, 8, 32)
    assert smaller(torch.zeros(1, 3, 128, 128)).shape == (1, 256, 8, 8)
    with pytest.raises(ConfigError, match="multiple"):
        resized_encoder(encoder, 100)


def test_the_decoder_answers_as_sams_does_without_a_prompt():
    torch.manual_seed(0)
    model = tiny_sam()
    segmenter = SamSegmenter(model, 4, 256).eval()
    grey = torch.rand(1, 1, 256, 256)
    with torch.inference_mode():
        embedding = model.image_encoder(model.preprocess(255 * grey.expand(-1, 3, -1, -1)))
        encoding = segmenter.encode(grey)
        assert torch.allclose(encoding.features, embedding, atol=1e-4)
        sparse, dense = model.prompt_encoder(points=None, boxes=None, masks=None)
        logits, _ = model.mask_decoder.predict_masks(embedding, model.prompt_encoder.get_dense_pe(), sparse, dense)
        found = segmenter.decode(encoding)
    shown = torch.nn.functional.interpolate(logits, (256, 256), mode="bilinear", align_corners=False)
    assert torch.allclose(found, shown, atol=1e-4)
