"""Objects that an expert clicks on in the page: one region under the label chosen."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

import numpy as np

from matcurate.catalog import MicrographRecord
from matcurate.errors import AnnotationError, ConfigError, CurateError
from matcurate.imaging.ignored import frame_within, looked_at
from matcurate.labelstudio import FOLLOW_LABEL, LabelStudioClient, Prompts, Region, encode_object, prompts_in
from matcurate.promptable.clicks import ClickedImage, PlainPredictor
from matcurate.promptable.protocol import Backbone
from matcurate.types import BoolMask
from matcurate.workflows.home import Workspace, backbone_of, load_counted
from matcurate.workflows.labelling import POLYGON_TOLERANCE, RegionCodec, TaskQuestion, task_micrograph
from matcurate.workflows.presegment.opened import OpenImage, OpenImages
from matcurate.workflows.presegment.predict import Answer
from matcurate.workflows.presegment.serving import Serving

log = logging.getLogger(__name__)


class Clicks:
    """Answers smart points and boxes of a project's tasks, by the backbone that also pre-segments.

    Several threads may use one instance. Encoded images are kept (setting ``backend.clicks_megapixels``), so that a
    further click costs no run of the network and never waits for a pre-segmentation.
    """

    def __init__(self, workspace: Workspace, serving: Serving) -> None:
        self._workspace, self._serving = workspace, serving
        self._images = OpenImages(workspace.settings.backend.clicks_megapixels)
        self._loading = threading.Lock()
        self._backbone: Backbone | None = None

    def answer(
        self, client: LabelStudioClient | None, task: TaskQuestion, label_config: str, prompts: Prompts
    ) -> Answer:
        """Answer with the object as one region of its label; empty, with the reason in the log, where that fails.

        Raises CatalogError when the project has not been created; ConfigError when the labelling configuration (XML)
        does not fit the project or has no control for the label.
        """
        project, version = self._workspace.project(), self._serving.load().version
        codec = RegionCodec.for_project(self._workspace, project, label_config)
        try:
            micrograph = task_micrograph(self._workspace, client, project, task, codec.config.image_key)
            mask = self._mask(micrograph, prompts)
        except ConfigError:
            raise
        except CurateError as error:
            log.warning("task %d: %s", task.id, error)
            return Answer(task.id, version, 0.0, (), "failed")
        regions: list[Region] = encode_object(
            mask, prompts.label, codec.config, prompts.region, outlined=codec.outlined, tolerance=POLYGON_TOLERANCE
        )
        return Answer(task.id, version, 1.0 if regions else 0.0, tuple(regions), "clicked")

    def foresee(self, client: LabelStudioClient | None, task: TaskQuestion, label_config: str) -> None:
        """Encode the micrograph of a task that an expert opens, in the background; what fails is told at the click."""
        try:
            project = self._workspace.project()
            codec = RegionCodec.for_project(self._workspace, project, label_config)
            micrograph = task_micrograph(self._workspace, client, project, task, codec.config.image_key)
            backbone = self._load()
        except CurateError as error:
            log.info("task %d is not prepared for clicks: %s", task.id, error)
            return
        self._images.foresee((backbone.digest, micrograph.id), lambda: self._encode(backbone, micrograph))

    def _mask(self, micrograph: MicrographRecord, prompts: Prompts) -> BoolMask:
        """Mask (H, W) of the object, without what is ignored."""
        size = (micrograph.width, micrograph.height)
        if prompts.size != size:
            raise AnnotationError(
                f"the page shows an image of {prompts.size[0]} x {prompts.size[1]} pixels, the micrograph has "
                f"{size[0]} x {size[1]}; check that the task shows the right image"
            )
        backbone = self._load()
        opened = self._images.get((backbone.digest, micrograph.id), lambda: self._encode(backbone, micrograph))
        with opened.turn:
            seen = object_mask(opened, prompts)
        mask = np.zeros(opened.shape, dtype=np.bool_)
        mask[opened.frame.inside] = seen
        return mask if opened.ignored is None else mask & ~opened.ignored

    def _load(self) -> Backbone:
        """The backbone that serves now, loaded once."""
        name = self._serving.load().facts.backbone
        with self._loading:
            if self._backbone is None or self._backbone.name != name:
                self._backbone = backbone_of(self._workspace, name)
            return self._backbone

    def _encode(self, backbone: Backbone, micrograph: MicrographRecord) -> OpenImage:
        pixels, ignored = load_counted(self._workspace, micrograph)
        seen = looked_at(pixels, ignored)
        image = ClickedImage(backbone.open(seen), PlainPredictor(seen))
        middle = np.array([[seen.shape[1] // 2, seen.shape[0] // 2]], dtype=np.float64)
        image.clicked(middle, np.array([1]))  # what is made at the first question is made now
        height, width = pixels.shape
        return OpenImage(image, frame_within(ignored, pixels.shape), (height, width), ignored)


def object_prompts(context: Mapping[str, object] | None) -> Prompts | None:
    """Smart points and boxes for an object in the page's context; None where it has none, or requests all masks.

    Raises AnnotationError when one of them is damaged.
    """
    prompts = prompts_in(context)
    return None if prompts is None or prompts.label == FOLLOW_LABEL else prompts


def object_mask(opened: OpenImage, prompts: Prompts) -> BoolMask:
    """Mask (h, w), in the frame, of what points and boxes show together; empty where all lie outside of the frame.

    The points show one object, every box another one.
    """
    (height, width), frame = opened.image.shape, opened.frame
    rows, columns = opened.shape
    scale, origin = np.array([columns, rows]) / 100, np.array([frame.left, frame.top])
    mask = np.zeros((height, width), dtype=np.bool_)
    points = np.array(prompts.points, dtype=np.float64).reshape(-1, 2) * scale - origin
    inside = ((points >= 0) & (points < (width, height))).all(axis=1)
    labels = np.array(prompts.positive, dtype=np.int64)[inside]
    if labels.any():
        mask |= opened.image.clicked(points[inside], labels)
    for corners in prompts.boxes:
        box = np.array(corners, dtype=np.float64) * scale - origin
        low, high = np.clip(np.sort(box, axis=0), 0, (width, height))
        if (low < high).all():
            mask |= opened.image.boxed(np.concatenate([low, high]))
    return mask
