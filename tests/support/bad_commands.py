"""Small valid inputs of every command, and the commands that read them.

A word such as ``{cells}`` in a command is the path of an input, ``{out}`` that of its output.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import rasterio
from archive_maker import CELLS, write_pair_of_archives, write_selection
from embedding_maker import clumped, write_fragments
from map_maker import write_map
from minortom_cli.console import run
from minortom_cli.main import app as minortom_app
from rasterio.transform import from_origin
from shapely.geometry import box
from shard_maker import write_made_up_shards

from minortom.sensors import MODEL_BANDS

LIST = tuple(f"{row}U_{col}R" for row in range(8) for col in range(3, 11))

MANIFEST = """\
name: biomes
title: Biomes
version: "1"
url: http://127.0.0.1:1/biomes.zip
member: "*.tif"
checksum: null
licence: CC0-1.0
attribution: made here
citation: none
crs: EPSG:4326
legend:
  name: biomes
  nodata: [0]
  classes: {1: a, 2: b, 3: c, 4: d}
"""

_MAPS = "--climate {climate} --landcover {landcover} --landcover-legend koppen --workers 1"


def _lines(text):
    return tuple(line.replace("MAPS", _MAPS) for line in text.strip().splitlines())


MAKE = dict(line.split(": ", 1) for line in _lines("""
annotated: annotate {cells} MAPS --out {out}.parquet
selection: sample {annotated} --per-stratum 2 --method random --out {out}.parquet --workers 1
report: report {selection} --annotated {annotated} --draws 2 --out {out}
embeddings: csmoe embed {model} {shards} --out {out}.parquet
clusters: cluster {fragments} --k 3,2 --workers 1 --out {out}/clusters.parquet
run: csmoe train {shards} --config {config} --keep-every 1 --epochs 1 --out {out}
pruned: csmoe prune {model} --shards {shards} --sensor s2 --calibrate 4 --out {out}
probed: csmoe probe {model} --data shards --root {shards} --seeds 1 --out {out}
tuned: csmoe finetune {model} --data shards --root {shards} --sensor s2 --epochs 1 --out {out}
pool: csmoe ensemble build band-statistics --data shards --root {shards} --select all --out {out}
"""))  # fmt: skip
"""Inputs that a command makes from others."""

COMMANDS = _lines("""
annotate {cells} MAPS --out {out}.parquet
annotate {cells_csv} MAPS --landcover {fine} --landcover-mode majority --out {out}.parquet
annotate {cells_parquet} MAPS --region {region} --out {out}.parquet
annotate {cells} MAPS --descriptor biome={landcover} --manifest {manifest} --out {out}.parquet
annotate --s2 {s2} --s1 {s1} MAPS --max-cloud 50 --out {out}.parquet
cluster {fragments} --k 3,2 --workers 1 --out {out}.parquet
cluster {fragments} --rows vote --workers 1 --centroids {centroids} --out {out}.parquet
sample {annotated} --per-stratum 2 --method random --out {out}.parquet --workers 1
sample {annotated} --quota {quota} --method farthest-point --out {out}.parquet --workers 1
sample {annotated} --keep {keep} --tiles 5 --method grts --out {out}.parquet --workers 1
report {selection} --annotated {annotated} --draws 2 --out {out}
export {exported} --s2 {s2} --s1 {s1} --out {out} --patch-size 24 --workers 1
verify {made} --deep --workers 1
show {made} --out {out}.html --patches 1
publish {made} --repo a/b --preview {out}
publish {made} --repo a/b --report {report} --preview {out}
fetch {manifest}
cells --region {region} --out {out}.csv
cells --region {region_gpkg} --out {out}.txt
cells --region {region_kml} --out {out}.txt
cells --region {region_zip} --out {out}.parquet
locate --points {points} --out {out}.csv
locate --points {points_parquet} --out {out}.parquet
demo {out} --tiles none
csmoe info --recipe tiny
csmoe train {shards} --config {config} --out {out}
csmoe train {shards} --config {config} --weights {model} --out {out}
csmoe train {shards} --config {config} --out {run} --epochs 2 --resume
csmoe embed {model} {shards} --out {out}.parquet
csmoe embed {model} {scene} --out {out}.tif
csmoe export {model} --sensor s2 --out {out}
csmoe inspect {model} {shards} --out {out}.html --samples 4 --patches 1
csmoe prune {model} --shards {shards} --sensor s2 --calibrate 4 --out {out} --html {out}.html
csmoe plot pruning {pruned} --out {out}.png
csmoe search {embeddings} --shards {shards} --like {patch} --html {out}.html
csmoe search {embeddings} --shards {shards} --image {scene} --checkpoint {model} --html {out}.html
csmoe compare {probed} {probed} --out {out}
csmoe plot quality-cost {probed} --out {out}.png
csmoe plot tokens {probed} {probed} --out {out}.png
csmoe plot epochs {run} --data shards --root {shards} --out {out}.png
csmoe probe {model} --data folder --root {labelled} --seeds 1 --out {out}
csmoe finetune {model} --data folder --root {labelled} --epochs 1 --no-compare --out {out}
csmoe predict {tuned} {shards} --out {out}.parquet
csmoe predict {tuned} {scene} --tile-px 16 --out {out}.tif
csmoe specialist train --data shards --root {shards} --sensor s1 --epochs 1 --out {out}
csmoe ensemble build {model} random-convolutions --data folder --root {labelled} --out {out}
csmoe ensemble build a={model} --data shards --root {shards} --select all --out {out}
csmoe ensemble add {pool} b={model} --data shards --root {shards} --out {out}
csmoe retrieve {model} --data shards --root {shards} --k 2 --out {out}
""")


def app_and_words(command):
    """Return the app of a command, and its words."""
    words = command.split()
    if words[0] != "csmoe":
        return minortom_app, words
    from minortom_cli.model.app import app

    return app, words[1:]


def inputs_of(command):
    """Return the names of the inputs that a command reads."""
    names = [word.strip("{}") for word in command.split() if word.startswith("{")]
    names += [word.split("={")[1].rstrip("}") for word in command.split() if "={" in word]
    found = [name for name in names if not name.startswith("out}") and name != "out"]
    return [name for name in found if name != "patch"]


@dataclass(frozen=True)
class Ground:
    """Folder of valid inputs, each made when it is first needed."""

    folder: Path

    def path(self, name):
        """Return the path of an input."""
        for found in self.folder.glob(f"{name}/*"):
            return found
        place = self.folder / name
        place.mkdir()
        if name in MAKE:
            command = MAKE[name].replace("{out}", str(place / name))
            for other in inputs_of(command):
                command = command.replace(f"{{{other}}}", str(self.path(other)))
            app, words = app_and_words(command)
            assert run(app, words) == 0, command
            for beside in place.glob("*.run.json"):
                beside.unlink()
        else:
            getattr(self, f"_{name}")(place)
        (found,) = place.iterdir()
        return found

    def copy(self, name, to):
        """Copy an input into a folder; return its path there."""
        source = self.path(name)
        place = to / name / source.name
        place.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, dirs_exist_ok=True)
        else:
            shutil.copy(source, place)
        return place

    def patch(self):
        """Return a patch of the shards as ``--like`` takes it."""
        first = next(self.path("shards").glob("*.parquet"))
        row = pq.read_table(first, columns=["grid_cell", "patch_row", "patch_col"]).to_pylist()[0]
        return f"{row['grid_cell']}:{row['patch_row']}:{row['patch_col']}"

    def _cells(self, place):
        (place / "cells.txt").write_text("\n".join([*LIST, ""]))

    def _cells_csv(self, place):
        pa_csv.write_csv(pa.table({"grid_cell": LIST, "n": range(len(LIST))}), place / "cells.csv")

    def _cells_parquet(self, place):
        pq.write_table(pa.table({"grid_cell": LIST}), place / "cells.parquet")

    def _keep(self, place):
        (place / "keep.csv").write_text(f"grid_cell,why\n{LIST[0]},a\n")

    def _quota(self, place):
        strata = pq.read_table(self.path("annotated"))["stratum"].unique().to_pylist()
        rows = "".join(f"{name},1\n" for name in strata)
        (place / "quota.csv").write_text(f"stratum,tiles\n{rows}")

    def _climate(self, place):
        codes = np.random.default_rng(0).choice([4, 14], (180, 360)).astype(np.uint8)
        write_map(place / "climate.tif", codes, nodata=0)

    def _landcover(self, place):
        codes = np.random.default_rng(1).choice([1, 2], (360, 720)).astype(np.uint8)
        write_map(place / "landcover.tif", codes, nodata=0)

    def _fine(self, place):
        codes = np.random.default_rng(2).choice([1, 2], (400, 600)).astype(np.uint8)
        write_map(place / "fine.tif", codes, nodata=0, west=0, north=1, step=0.003)

    def _made(self, place):
        write_made_up_shards(place / "made", num_patches=6, num_val=0, rows_per_shard=4)

    def _fragments(self, place):
        vectors, _ = clumped(2 * len(LIST))
        write_fragments(place / "fragments.parquet", [*LIST, *LIST], vectors)

    def _centroids(self, place):
        shutil.copy(self.path("clusters") / "clusters.centroids.parquet", place)

    def _manifest(self, place):
        (place / "biomes.yaml").write_text(MANIFEST)

    def _archives(self, place):
        write_pair_of_archives(place / "archives", CELLS[:2])

    def _s2(self, place):
        shutil.copytree(self.path("archives") / "Core-S2L2A", place / "Core-S2L2A")

    def _s1(self, place):
        shutil.copytree(self.path("archives") / "Core-S1RTC", place / "Core-S1RTC")

    def _exported(self, place):
        write_selection(place / "selection.parquet", CELLS[:2])

    def _region(self, place):
        features = [{"type": "Feature", "properties": {"a": 1},
                     "geometry": geopandas.GeoSeries([box(0.2, 0, 1.1, 0.8)]).__geo_interface__[
                         "features"][0]["geometry"]}]  # fmt: skip
        text = json.dumps({"type": "FeatureCollection", "features": features})
        (place / "region.geojson").write_text(text)

    def _region_gpkg(self, place):
        geopandas.GeoSeries([box(0.2, 0, 1.1, 0.8)], crs=4326).to_file(place / "region.gpkg")

    def _region_kml(self, place):
        ring = "0.2,0,0 1.1,0,0 1.1,0.8,0 0.2,0.8,0 0.2,0,0"
        (place / "region.kml").write_text(
            '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2">'
            "<Document><Placemark><name>p</name><Polygon><outerBoundaryIs><LinearRing>"
            f"<coordinates>{ring}</coordinates></LinearRing></outerBoundaryIs></Polygon>"
            "</Placemark></Document></kml>"
        )

    def _region_zip(self, place):
        folder = self.folder / "shapefile"
        folder.mkdir()
        geopandas.GeoSeries([box(0.2, 0, 1.1, 0.8)], crs=4326).to_file(folder / "area.shp")
        shutil.make_archive(str(place / "region"), "zip", folder)

    def _points(self, place):
        (place / "points.csv").write_text("name,lat,lon\na,0.3,0.5\nb,0.1,179.9\nc,-3,4\n")

    def _points_parquet(self, place):
        table = pa.table({"lat": [0.3, 0.1], "lon": [0.5, 179.9], "name": ["a", "b"]})
        pq.write_table(table, place / "points.parquet")

    def _config(self, place):
        (place / "config.yaml").write_text(
            "recipe: tiny\nsteps: 1\nepochs: null\nbatch_size: 2\npatch_size: 4\nimage_size: 16\n"
            "width: 32\nnum_heads: 2\nsensor_layers: 1\nnum_experts: 2\ndecoder_width: 16\n"
            "decoder_heads: 2\n"
        )

    def _shards(self, place):
        from training_shards import learnable_shards

        learnable_shards(place / "shards", train=8, val=8, test=8, apart_deg=3.0)

    def _model(self, place):
        from model_folders import write_model

        from minortom.shards.shard_set import ShardSet

        write_model(place / "model", ShardSet.open(self.path("shards")))

    def _scene(self, place):
        self._write_scene(place / "scene.tif", seed=0)

    def _write_scene(self, path, *, seed):
        pixels = np.random.default_rng(seed).integers(1, 9000, (10, 16, 16), np.uint16)
        with rasterio.open(
            path, "w", driver="GTiff", dtype="uint16", count=10, height=16, width=16,
            crs="EPSG:32631", transform=from_origin(500_000, 100_000, 10, 10),
        ) as file:  # fmt: skip
            file.write(pixels)
            for number, band in enumerate(MODEL_BANDS["s2"], start=1):
                file.set_band_description(number, band)

    def _labelled(self, place):
        folder = place / "labelled"
        folder.mkdir()
        rows = ["file,split,label"]
        for number, split in enumerate(["train", "train", "val", "val", "test", "test"] * 2):
            self._write_scene(folder / f"{number}.tif", seed=number)
            rows.append(f"{number}.tif,{split},{'ab'[number % 2]}")
        (folder / "labels.csv").write_text("\n".join([*rows, ""]))
