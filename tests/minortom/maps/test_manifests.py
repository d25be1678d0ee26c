import re
from fnmatch import fnmatchcase

import pytest
import rasterio
import yaml

from minortom.errors import InputError
from minortom.maps.class_table import NO_CLASS, ClassTable
from minortom.maps.manifests import (
    find_legend,
    find_manifest,
    load_legend,
    load_manifest,
    manifest_paths,
    named_manifest,
)


@pytest.fixture
def content() -> dict:
    path, _ = find_manifest("igbp")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


LEGENDS = [
    "cci-lc", "corine", "dynamic-world", "esri-lulc", "igbp", "koppen", "nlcd", "worldcover",
]  # fmt: skip


def load(tmp_path, content):
    path = tmp_path / "some.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return load_manifest(path)


@pytest.mark.parametrize("path", manifest_paths(), ids=lambda path: path.stem)
def test_every_manifest_loads_and_says_where_its_data_come_from(path):
    manifest = load_manifest(path)
    assert manifest.name == path.stem
    assert manifest.url.startswith("https://")
    assert "doi.org" in manifest.citation
    assert manifest.licence in manifest.credit()


def test_each_data_set_has_a_legend_of_its_own():
    names = [load_manifest(path).legend.name for path in manifest_paths()]
    assert sorted(names) == LEGENDS


def test_koppen_classes_follow_the_letters_of_the_scheme():
    # A by number; B by dryness and heat; C and D by dry season, then by summer; E.
    letters = ["Af", "Am", "Aw", *(b + h for b in ("BW", "BS") for h in "hk")]
    letters += ["C" + s + t for s in "swf" for t in "abc"]
    letters += ["D" + s + t for s in "swf" for t in "abcd"] + ["ET", "EF"]
    legend = find_manifest("koppen")[1].legend
    assert legend.classes == dict(enumerate(letters, start=1))


def test_worldcover_classes_are_those_written_in_the_real_tile(real_data):
    with rasterio.open(
        real_data / "descriptors" / "ESA_WorldCover_10m_2021_v200_N00E006_Map.tif"
    ) as tile:
        rows = re.findall(r"(\d+)\s+(.+)", tile.tags()["legend"])
    legend = find_manifest("worldcover")[1].legend
    assert {int(code): name.lower().replace("/", " ").replace("-", " ").split()[:2]
            for code, name in rows} == {
        code: name.split("_")[:2] for code, name in legend.classes.items()
    }  # fmt: skip


def test_the_crosswalk_keeps_the_meaning_of_the_names():
    igbp, worldcover = find_manifest("igbp")[1].legend, find_manifest("worldcover")[1].legend
    meaning = {
        "water": "permanent_water", "forests": "tree_cover", "shrublands": "shrubland",
        "woody_savannas": "tree_cover", "savannas": "grassland", "grasslands": "grassland",
        "wetlands": "herbaceous_wetland", "crop": "cropland", "urban": "built_up",
        "snow": "snow_and_ice", "barren": "bare_sparse_vegetation",
    }  # fmt: skip
    for code, name in igbp.classes.items():
        expected = next(to for part, to in meaning.items() if part in name)
        assert worldcover.classes[igbp.crosswalk.codes[code]] == expected, name


def test_an_unknown_legend_is_an_error_that_names_the_known_ones():
    known = rf"name of a legend \({', '.join(LEGENDS)}\) or an existing file, found 'corin'; give"
    with pytest.raises(InputError, match=known):
        find_manifest("corin")


def test_a_data_set_is_found_by_its_name_and_an_unknown_one_names_those_there_are():
    path, manifest = named_manifest("worldcover-2021")
    assert (path.name, manifest.lattice_deg) == ("worldcover-2021.yaml", 3)
    known = r"\(corine-clc, .*, koppen-geiger-2023, mcd12c1-v006, .*\) .* found 'corine'"
    with pytest.raises(InputError, match=known):
        named_manifest("corine")


@pytest.mark.parametrize("fine", ["0p00833333", "0p01"])
def test_the_koppen_manifest_takes_the_1_km_map_of_today_and_no_other(fine):
    names = [
        f"{folder}1991_2020/koppen_geiger_{size}.tif"
        for folder in ("", "koppen_geiger_tif/", "__MACOSX/1991_2020/._", "./")
        for size in (fine, "0p01666666", "0p1", "0p5", "1p0")
    ]
    names += [name.replace("1991_2020", "1961_1990") for name in names] + ["legend.txt"]
    member = named_manifest("koppen-geiger-2023")[1].member

    found = [name for name in names if fnmatchcase(name, member)]

    assert f"1991_2020/koppen_geiger_{fine}.tif" in found
    assert {name.rsplit("/", 1)[1] for name in found} == {f"koppen_geiger_{fine}.tif"}


def test_each_manifest_that_the_docs_show_loads(tmp_path, repository):
    page = (repository / "docs" / "fetch.md").read_text(encoding="utf-8")
    shown = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    manifests = [load(tmp_path, yaml.safe_load(text)) for text in shown]
    assert [m.name for m in manifests] == ["biomes-2017", "cover-2020"]
    assert [m.lattice_deg for m in manifests] == [None, 3]


def test_the_file_of_a_tile_is_called_as_in_the_url():
    manifest = named_manifest("worldcover-2021")[1]
    assert manifest.file_name("N39W075") == "ESA_WorldCover_10m_2021_v200_N39W075_Map.tif"
    assert named_manifest("koppen-geiger-2023")[1].file_name() == "61012822"


def test_a_manifest_need_not_have_a_legend(tmp_path, content):
    del content["legend"]
    assert load(tmp_path, content).legend is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("licence"), "the key licence is missing"),
        (lambda m: m.update(license="x"), "expected the keys .*, found license"),
        (lambda m: m.update(version=6), "expected text under version, in quotes, found 6"),
        (lambda m: m.update(url=""), "expected text under url"),
        (lambda m: m.update(name="../up"), "found '../up'"),
        (lambda m: m.update(checksum="md5:12"), "found 'md5:12'"),
        (lambda m: m.update(checksum="crc:12"), "expected a checksum such as sha256:"),
        (lambda m: m.update(lattice_deg=3), "expected {TILE} in the file name of the url"),
        (lambda m: m.update(url="https://a/{TILE}.tif"), "the key lattice_deg is missing"),
        (lambda m: m.update(url="https://a/{TILE}.tif", lattice_deg=7), "divide 180"),
        (
            lambda m: m.update(url="https://a/{TILE}.tif", lattice_deg=3, member="a.tif"),
            "it has no checksum and no member",
        ),
        (lambda m: m["legend"].update(colors={}), "expected the keys .*, found colors"),
        (lambda m: m["legend"].update(colours=["#000000"]), "keys and values under colours"),
        (lambda m: m["legend"].update(colours={1: "red"}), "found 1: 'red'"),
        (lambda m: m["legend"].update(colours={1: "#00640"}), "found 1: '#00640'"),
        (lambda m: m["legend"].update(colours={99: "#006400"}), "found 99: '#006400'"),
        (lambda m: m["legend"].update(table=3), "expected text under table, found 3"),
        (lambda m: m["legend"].update(name=3), "expected text under legend.name, found 3"),
        (lambda m: m["legend"]["classes"].update({7: " "}), "names without a slash, found ' '"),
        (lambda m: m["legend"]["classes"].update({7: "a\nb"}), "names without a slash, found 'a"),
        (
            lambda m: m["legend"]["crosswalk"]["codes"].update({3: [1]}),
            "expected codes 0 to 255 and the name of a legend in the crosswalk, found list",
        ),
        (lambda m: m["legend"].pop("classes"), "expected keys and values under classes"),
        (lambda m: m["legend"].update(nodata=255), "expected a list under nodata"),
        (lambda m: m["legend"].update(classes={}), "found 'no classes'"),
        (lambda m: m["legend"]["classes"].update({256: "far"}), "found 256"),
        (lambda m: m["legend"]["classes"].update({"7": "text"}), "found '7'"),
        (lambda m: m["legend"]["classes"].update({7: "a/b"}), "found 'a/b'"),
        (lambda m: m["legend"].update(nodata=[0]), "0 is a class and nodata"),
        (
            lambda m: m["legend"]["crosswalk"]["codes"].pop(3),
            "expected each class once in the crosswalk",
        ),
        (lambda m: m["legend"]["crosswalk"].pop("to"), "the key to is missing"),
        (lambda m: m["legend"]["crosswalk"].update(codes=[1]), "under crosswalk.codes"),
    ],
)
def test_a_manifest_that_is_wrong_is_an_error_that_says_where(tmp_path, content, change, message):
    change(content)
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path, content)
    assert "some.yaml is not a manifest" in str(caught.value)


LEGEND = """
name: my
nodata: [0]
classes: {1: forest, 2: lake, 3: forest}
colours: {1: "#006400", 2: "#0064C8"}
"""


@pytest.mark.parametrize("inner", [False, True], ids=["the keys alone", "under legend"])
def test_the_legend_part_of_a_manifest_is_enough(tmp_path, inner):
    path = tmp_path / "my.yaml"
    path.write_text("legend:\n" + LEGEND.replace("\n", "\n  ") if inner else LEGEND)
    found = load_legend(path)
    assert (found.path, found.manifest) == (path, None)
    assert found.legend.classes == {1: "forest", 2: "lake", 3: "forest"}
    table = ClassTable.of(found.legend)
    # Codes with one name are one class.
    assert table.names == {1: "forest", 2: "lake"}
    assert table.table[:5].tolist() == [NO_CLASS, 1, 2, 1, NO_CLASS]
    assert table.colours == {1: "#006400", 2: "#0064C8"}


def test_a_legend_is_found_by_its_path_and_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "my.yaml").write_text(LEGEND)
    monkeypatch.chdir(tmp_path)
    assert find_legend("my.yaml").legend.name == "my"
    assert find_legend("./my.yaml").legend.name == "my"
    assert find_legend("corine").legend.classes[44] == "sea_and_ocean"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "keys name, nodata and classes in .*, found an empty file"),
        ("[1]", "found list"),
        ("{classs: {1: a}}", "found the keys classs"),
        ("{classes: {1: a}}", "is not a legend: expected a list under nodata, found None"),
        ("{classes: {1: a}, nodata: []}", "the key name is missing"),
        ("{name: a, nodata: [], classes: {300: a}}", "found 300"),
        ("legend: 3", "is not a legend: "),
        ("legend: {classes: {1: a}}\nurl: x", "is not a manifest: "),
        ("url: https://a/b.tif", "has no legend; add one"),
        ("a: 2020-13-45", "cannot read the legend .*: month must be in"),
        ("[" * 50_000, "cannot read the legend .*: it is nested more than"),
        ("a: [", "cannot read the legend"),
    ],
    ids=range(12),
)
def test_a_file_without_a_legend_is_one_line(tmp_path, text, message):
    (tmp_path / "my.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_legend(tmp_path / "my.yaml")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_file_without_yaml_are_errors(tmp_path):
    with pytest.raises(InputError, match="cannot read the manifest"):
        load_manifest(tmp_path / "nowhere.yaml")
    (tmp_path / "a.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(InputError, match="cannot read the manifest"):
        load_manifest(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("- 1", encoding="utf-8")
    with pytest.raises(InputError, match="is not a manifest"):
        load_manifest(tmp_path / "a.yaml")
