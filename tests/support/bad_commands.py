"""Commands that read small valid inputs, which `command_inputs` makes.

A word such as ``{cells}`` in a command is the path of an input, ``{out}`` that of its output.
"""

from minortom_cli.main import app as minortom_app

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
text: csmoe text train {embeddings} --epochs 1 --out {out}
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
label {made} --map {landcover} --legend koppen --workers 1 --out {out}.parquet
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
csmoe probe {model} --data shards --root {shards} --labels {labels} --seeds 1 --out {out}
csmoe finetune {model} --data folder --root {labelled} --epochs 1 --no-compare --out {out}
csmoe predict {tuned} {shards} --out {out}.parquet
csmoe predict {tuned} {scene} --tile-px 16 --out {out}.tif
csmoe specialist train --data shards --root {shards} --sensor s1 --epochs 1 --out {out}
csmoe ensemble build {model} random-convolutions --data folder --root {labelled} --out {out}
csmoe ensemble build a={model} --data shards --root {shards} --select all --out {out}
csmoe ensemble add {pool} b={model} --data shards --root {shards} --out {out}
csmoe retrieve {model} --data shards --root {shards} --k 2 --out {out}
csmoe text train {embeddings} --shards {shards} --templates {templates} --epochs 1 --out {out}
csmoe text train {embeddings} --annotated {tiles} --epochs 1 --out {out}
csmoe text train {embeddings} --own-captions {captions} --epochs 1 --out {out}
csmoe text search {text} {embeddings} tree --shards {shards} --html {out}.html
csmoe text classify {text} {embeddings} --classes tree,water --out {out}.parquet
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
