"""Folder of small valid inputs, from which the commands of `bad_commands` read."""

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
from bad_commands import MAKE, app_and_words, inputs_of
from embedding_maker import clumped, write_fragments
from map_maker import write_map
from minortom_cli.console import run
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

    def _labels(self, place):
        from training_shards import label_table

        pq.write_table(label_table(self.path("shards")), place / "labels.parquet")

    def _model(self, place):
        from model_folders import write_model

        from minortom.shards.shard_set import ShardSet

        write_model(place / "model", ShardSet.open(self.path("shards")))

    def _patches(self):
        return pq.read_table(self.path("embeddings")).to_pylist()

    def _templates(self, place):
        (place / "own.yaml").write_text(
            "templates: ['{landcover} there']\nheld_out: ['see {landcover}']\n"
            "phrases: {landcover: {water: [pond]}}\n"
        )

    def _tiles(self, place):
        cells = sorted({row["grid_cell"] for row in self._patches()})
        table = pa.table({"grid_cell": cells, "elevation": np.arange(len(cells)) * 1.0})
        pq.write_table(table, place / "tiles.parquet")

    def _captions(self, place):
        lines = [
            f"{row['grid_cell']},{row['patch_row']},{row['patch_col']},some {row['landcover']}\n"
            for row in self._patches()
        ]
        (place / "captions.csv").write_text("".join(["cell,row,column,text\n", *lines]))

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
