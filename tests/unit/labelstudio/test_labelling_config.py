import pytest
from label_studio_sdk.label_interface import LabelInterface

from matcurate.errors import ConfigError
from matcurate.labelstudio import check_phases, labelling_config, parse_labelling_config
from matcurate.labelstudio.config import LabelControl, labels_of_controls

PHASES = ('γ\' <fine> & "coarse"', "M23C6")

LAB_MADE = """
<View>
  <Header value="Steel"/>
  <Image name="pic" value="$scan"/>
  <Choices name="quality" toName="pic"><Choice value="good"/></Choices>
  <RectangleLabels name="box" toName="pic"><Label value="martensite"/></RectangleLabels>
  <BrushLabels name="paint" toName="pic">
    <Label value="A" alias="ferrite"/><Label value="martensite"/>
  </BrushLabels>
  <Number name="ratio_2" toName="pic"/>
  <Number name="ratio_1" toName="pic" perRegion="true"/>
  <Number name="ratio_9" toName="pic"/>
</View>
"""


def test_our_configuration_reads_back_and_satisfies_label_studio() -> None:
    xml = labelling_config(PHASES, ("#102030", "#a0b0c0"), instances=True)
    config = parse_labelling_config(xml, PHASES)
    assert (config.image, config.image_key, config.phases) == ("image", "image", PHASES)
    assert config.controls == (
        LabelControl("phase", "brushlabels", PHASES),
        LabelControl("outline", "polygonlabels", (*PHASES, "instance")),
    )
    assert config.ratios == ("ratio_1", "ratio_2")
    assert config.phase_control("brushlabels", "bitmasklabels") == config.controls[0]
    assert config.instance_control() == config.controls[1]
    interface = LabelInterface(xml)
    interface.validate()
    assert interface.get_control("phase").labels_attrs[PHASES[0]].attr["background"] == "#102030"
    number = interface.get_control("ratio_2").attr
    assert (number["min"], number["max"], number["step"]) == ("0", "1", "0.001")
    image = interface.get_object("image").attr
    assert image["zoom"] == image["zoomControl"] == image["contrastControl"] == "true"


def test_bitmask_and_no_instances() -> None:
    config = parse_labelling_config(labelling_config(PHASES, bitmask=True), PHASES)
    assert config.controls == (LabelControl("phase", "bitmasklabels", PHASES),)
    assert config.instance_control() is None
    assert config.phase_control("polygonlabels") is None


def test_every_phase_has_its_colour_even_the_254th() -> None:
    names = [f"phase {i}" for i in range(254)]
    interface = LabelInterface(labelling_config(names))
    colours = [interface.get_control("phase").labels_attrs[name].attr["background"] for name in names]
    assert len(set(colours[:9])) == 9


def test_a_labs_own_configuration() -> None:
    config = parse_labelling_config(LAB_MADE, ("martensite", "ferrite"))
    assert (config.image, config.image_key) == ("pic", "scan")
    assert config.controls == (
        LabelControl("box", "rectanglelabels", ("martensite",)),
        LabelControl("paint", "brushlabels", ("ferrite", "martensite")),
    )
    # ratio_1 belongs to regions, not to the task; a third phase there is not
    assert config.ratios == (None, "ratio_2")
    assert labels_of_controls(LAB_MADE)["paint"] == ("ferrite", "martensite")


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("<View>", "not XML"),
        ("<View/>", "0 <Image> tags"),
        (LAB_MADE.replace('<Header value="Steel"/>', '<Image name="b" value="$b"/>'), "2 <Image> tags"),
        (LAB_MADE.replace("$scan", "http://x/y.png"), r"value=\"http://x/y.png\""),
        (LAB_MADE.replace('alias="ferrite"', 'alias="pearlite"'), "'pearlite' of control 'paint' is no phase"),
        (LAB_MADE.replace('<Label value="A" alias="ferrite"/>', ""), "no .* label for phase 'ferrite'"),
        (
            LAB_MADE.replace('<Label value="A" alias="ferrite"/>', "").replace(
                "</View>", '<PolygonLabels name="p" toName="pic"><Label value="ferrite"/></PolygonLabels></View>'
            ),
            "no single BrushLabels",
        ),
        (LAB_MADE.replace('toName="pic"', 'toName="other"'), "no .* label for phase"),
        ('<!DOCTYPE x [<!ENTITY a "b">]>' + LAB_MADE.strip(), "DOCTYPE"),
        ("<View>" + " " * 1_000_001 + "</View>", "characters"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(xml: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        parse_labelling_config(xml, ("martensite", "ferrite"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("phases", "reason"),
    [
        ([], "got 0"),
        ([f"p{i}" for i in range(255)], "got 255"),
        (["a", ""], "empty"),
        ([" a"], "blanks"),
        (["a\nb"], "control characters"),
        (["a", "b", "a"], "'a' is listed twice"),
    ],
)
def test_phases_that_cannot_be_labels(phases: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        check_phases(phases)


def test_a_phase_called_instance_is_refused_only_where_outlines_need_the_name() -> None:
    assert check_phases(["instance"]) == ("instance",)
    with pytest.raises(ConfigError, match="'instance'"):
        labelling_config(["instance"], instances=True)


@pytest.mark.parametrize(("colours", "reason"), [(["#000000"], "2 phases need 2"), (["red", "#00ff00"], "'red'")])
def test_colours_that_cannot_be_used(colours: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        labelling_config(["a", "b"], colours)
