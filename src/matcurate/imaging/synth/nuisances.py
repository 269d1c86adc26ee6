"""What specimen preparation and the microscope do to a picture."""

import math
from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from matcurate.config import Strict
from matcurate.imaging.synth.canvas import Canvas, gaussian_blur, smooth_field


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= value[0] <= value[1] < float("inf"):
        raise ValueError("a range is (low, high) with 0 <= low <= high")
    return value


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""(low, high): each picture draws its strength uniformly between them; equal values fix it."""

Chance = Annotated[float, Field(ge=0, le=1)]
"""Share of the pictures that show a disturbance."""


class Nuisances(Strict):
    """Ranges of every disturbance, as real micrographs show them; grey values in shares of full scale."""

    texture: Range = Field(default=(0.003, 0.014), description="Standard deviation of fine surface texture.")
    scratches: Range = Field(default=(0, 10), description="Polishing scratches per 512 x 512 pixels.")
    scratch_depth: Range = Field(default=(0.015, 0.09), description="Grey step of the deepest scratch.")
    edge_brightening: Range = Field(default=(0.0, 0.16), description="Grey step of the secondary-electron edge effect.")
    blur: Range = Field(default=(0.6, 1.3), description="Point spread (standard deviation) in pixels.")
    shading: Range = Field(default=(0.0, 0.07), description="Amplitude of uneven illumination over the picture.")
    contrast: Range = Field(default=(0.6, 1.0), description="Factor on grey differences around the middle.")
    brightness: Range = Field(default=(0.34, 0.62), description="Where the picture's mean goes.")
    gamma: Range = Field(default=(0.85, 1.2), description="Exponent of the detector.")
    shot_noise: Range = Field(default=(0.008, 0.035), description="Deviation of Poisson noise at full white.")
    read_noise: Range = Field(default=(0.004, 0.015), description="Standard deviation of the amplifier's noise.")
    charging: Chance = Field(default=0.03, description="Share of pictures with charged features.")
    charging_strength: Range = Field(default=(0.08, 0.35), description="Grey step of a charged feature.")
    curtaining: Chance = Field(default=0.03, description="Share of pictures with stripes of ion milling.")
    curtaining_strength: Range = Field(default=(0.01, 0.05), description="Standard deviation of the stripes.")
    stitching: Chance = Field(default=0.03, description="Share of pictures of ill-fitting tiles; masks move along.")
    stitching_step: Range = Field(default=(0.01, 0.05), description="Grey step between two tiles.")
    data_bar: Chance = Field(default=0.0, description="Share of pictures that end in a data bar; masks are 0 there.")

    @classmethod
    def none(cls) -> "Nuisances":
        """No disturbance: the ideal grey levels."""
        off = (0.0, 0.0)
        never = dict.fromkeys(("charging", "curtaining", "stitching", "data_bar"), 0.0)
        unchanged = {"contrast": (1.0, 1.0), "gamma": (1.0, 1.0), **never}
        return cls(**{**dict.fromkeys(cls.model_fields, off), **unchanged})


def expose(canvas: Canvas, grey: Tensor, edges: Tensor, options: Nuisances) -> Tensor:
    """Photograph a scene (H, W): surface first, then optics, illumination and detector; result in [0, 1].

    ``grey`` are ideal levels, ``edges`` where edges brighten, in [0, 1].
    """

    def draw(span: tuple[float, float]) -> float:
        return canvas.uniform(*span)

    image = grey + draw(options.edge_brightening) * edges
    texture = draw(options.texture)
    if texture > 0:
        image = image + texture * smooth_field(canvas, canvas.uniform(0.7, 2.5))
    count = int(canvas.rng.poisson(draw(options.scratches) * canvas.height * canvas.width / 512**2))
    image = image + scratches(canvas, count, draw(options.scratch_depth))
    rare = canvas.aside(0)
    if rare.chance(options.curtaining):
        image = image + rare.uniform(*options.curtaining_strength) * curtains(rare)
    if rare.chance(options.charging):
        image = image + rare.uniform(*options.charging_strength) * charged(rare, grey + 0.3 * edges)
    image = gaussian_blur(image, draw(options.blur))
    brightness = draw(options.brightness)
    middle = image.mean()
    image = (image - middle) * draw(options.contrast) + (brightness if brightness > 0 else middle)
    image = image + _shading(canvas, draw(options.shading))
    image = image.clamp(0, 1) ** draw(options.gamma)
    return _detected(canvas, image, draw(options.shot_noise), draw(options.read_noise)).clamp(0, 1)


def scratches(canvas: Canvas, count: int, depth: float) -> Tensor:
    """Straight polishing scratches, mostly in one direction, dark with a bright shoulder or bright; float (H, W)."""
    image = torch.zeros(canvas.height, canvas.width, device=canvas.device)
    coordinates = canvas.coordinates()
    main = canvas.uniform(0, math.pi)
    for _ in range(count if depth > 0 else 0):
        angle = main + float(canvas.rng.normal(0, 0.15)) if canvas.chance(0.7) else canvas.uniform(0, math.pi)
        middle = (canvas.uniform(0, canvas.height), canvas.uniform(0, canvas.width))
        length = canvas.uniform(0.06, 0.6) * canvas.unit
        reach = tuple(1.35 * length * abs(part) + 8 for part in (math.sin(angle), math.cos(angle)))
        rows, columns = (slice(max(0, int(m - r)), int(m + r) + 1) for m, r in zip(middle, reach, strict=True))
        strength = depth * canvas.uniform(0.15, 1) ** 2 * (1 if canvas.chance(0.4) else -1)
        bend, width = canvas.uniform(-1, 1), canvas.uniform(0.4, 1.0)
        groove = _groove(coordinates[:, rows, columns], middle, angle, length, bend, width)
        image[rows, columns] += strength * groove
    return image


def _groove(at: Tensor, middle: tuple[float, float], angle: float, length: float, bend: float, width: float) -> Tensor:
    """One scratch of unit depth with a raised shoulder, fading towards its ends; at (2, h, w) to float (h, w)."""
    down, right = at[0] - middle[0], at[1] - middle[1]
    along = (down * math.sin(angle) + right * math.cos(angle)) / length
    across = down * math.cos(angle) - right * math.sin(angle) + 3 * bend * along**2
    profile = torch.exp(-0.5 * (across / width) ** 2) - 0.4 * torch.exp(-0.5 * ((across - 2 * width) / width) ** 2)
    return profile * torch.exp(-(along**4))


def _shading(canvas: Canvas, amplitude: float) -> Tensor:
    """A tilted plane and a weak vignette, zero mean."""
    rows, columns = canvas.coordinates()
    y, x = rows / canvas.height - 0.5, columns / canvas.width - 0.5
    tilt_y, tilt_x = canvas.rng.uniform(-1, 1, 2)
    field = float(tilt_y) * y + float(tilt_x) * x - canvas.uniform(0, 1) * (x**2 + y**2)
    shade: Tensor = amplitude * (field - field.mean())
    return shade


def _detected(canvas: Canvas, image: Tensor, shot: float, read: float) -> Tensor:
    """Counting noise (variance proportional to the signal) and read noise, softened a little as by the scan."""
    noise = canvas.white(canvas.height, canvas.width)
    soft = canvas.uniform(0.0, 0.7)
    if soft > 0.3:
        noise = gaussian_blur(noise, soft)
        noise = noise / noise.std()
    return image + noise * torch.sqrt(image * shot**2 + read**2)


def charged(canvas: Canvas, grey: Tensor) -> Tensor:
    """Charging of some of the brightest features: a glow, a bright streak along the scan (to the right), a dark trail.

    ``grey`` (H, W) is ideal, brighter where edges emit more. Returns the grey step (H, W) in units of its strength,
    within [-0.5, 1.5].
    """
    smooth = gaussian_blur(grey, 2.0)
    ordered = smooth.flatten().sort().values
    middle, brightest = ordered[len(ordered) // 2], ordered[int(0.995 * (len(ordered) - 1))]
    threshold = middle + (0.5 * (brightest - middle)).clamp_min(0.04)  # whole features, not the grain of a flat surface
    patches = smooth_field(canvas, canvas.uniform(15, 40)) - canvas.uniform(0.0, 1.0)  # not all of them are insulated
    source = gaussian_blur((smooth > threshold).float(), 0.8) * torch.sigmoid(5 * patches)
    jitter = 1 + 0.35 * gaussian_blur(canvas.white(canvas.height, 1), 0.6)  # from line to line
    streak = _trail(source, canvas.uniform(8, 40)) * jitter.clamp(0, 2)
    shadow = _trail(source, canvas.uniform(40, 120))
    glow = gaussian_blur(source, canvas.uniform(4, 12))
    return (0.7 * source + 1.2 * glow + 0.8 * streak - 0.7 * (1 - source) * shadow).clamp(-0.5, 1.5)


def _trail(source: Tensor, length: float) -> Tensor:
    """What a feature leaves behind it along the rows, fading with exp(-distance / length), in [0, 1]; float (H, W)."""
    reach = math.ceil(5 * length)
    fade = torch.exp(-torch.arange(reach, device=source.device) / length)
    size = source.shape[1] + reach
    trail: Tensor = torch.fft.irfft(torch.fft.rfft(source, size) * torch.fft.rfft(fade, size), size)
    return 1 - torch.exp(-trail[:, : source.shape[1]].clamp_min(0) / (0.15 * length))


def curtains(canvas: Canvas) -> Tensor:
    """Vertical stripes of ion milling, fine on broad, stronger downstream; zero mean, unit variance; float (H, W)."""
    length = 0.5 * canvas.height
    stripes = torch.zeros(canvas.height, canvas.width, device=canvas.device)
    for width, share in ((0.9, 0.6), (canvas.uniform(3, 6), 0.8), (canvas.uniform(12, 30), 0.6)):
        stripes = stripes + share * smooth_field(canvas, width, (max(1.0, length / width), 1.0))
    downstream = torch.linspace(canvas.uniform(0.3, 1), 1, canvas.height, device=canvas.device)[:, None]
    stripes = stripes * downstream
    return (stripes - stripes.mean()) / stripes.std().clamp_min(1e-12)
