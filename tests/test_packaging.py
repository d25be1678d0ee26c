import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from repository import REPOSITORY

import csmoe_model
from minortom import __version__

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PYTHONS = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
HEAVY = ("torch", "lightning", "numba", "pymoo", "geopandas", "rasterio", "matplotlib", "duckdb")


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def modules_of(package):
    """Return the dotted names of a package's modules, subpackages included."""
    files = sorted((REPOSITORY / package).rglob("*.py"))
    names = [".".join(file.relative_to(REPOSITORY).with_suffix("").parts) for file in files]
    assert len(names) > 50
    return [name.removesuffix(".__init__") for name in names]


@pytest.mark.parametrize("module", ["main", "model.app"])
def test_help_loads_nothing_heavy(module):
    loaded = run_python(
        f"import sys; sys.argv = ['x', '--help']\nfrom minortom_cli.{module} import app\n"
        f"from minortom_cli.console import run\nrun(app)\n"
        f"print('LOADED', [m for m in {HEAVY} if m in sys.modules])"
    )

    assert loaded.splitlines()[-1] == "LOADED []"
    assert "Usage" in loaded


def test_curation_never_loads_torch():
    code = "import sys\n" + "".join(f"import {name}\n" for name in modules_of("minortom"))

    assert run_python(code + "print('torch' in sys.modules)").strip() == "False"


def test_the_model_loads_no_geospatial_library():
    code = "import sys\n" + "".join(f"import {name}\n" for name in modules_of("csmoe_model"))
    heavy = ("rasterio", "geopandas", "shapely", "pyproj", "duckdb", "numba", "pymoo")

    assert run_python(code + f"print([m for m in {heavy} if m in sys.modules])").strip() == "[]"


@pytest.mark.parametrize("program", ["minortom", "csmoe", "csmoe-train"])
def test_each_command_tells_its_version(program):
    command = [str(Path(sys.executable).parent / program), "--version"]

    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert told == f"{program} {__version__}\n"


def test_the_wheel_installs_three_packages_and_nothing_called_cli(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=REPOSITORY, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")

    names = zipfile.ZipFile(wheel).namelist()

    tops = {name.split("/")[0] for name in names}
    assert tops == {"minortom", "csmoe_model", "minortom_cli", f"minortom-{__version__}.dist-info"}
    assert "minortom/data_manifests/koppen-geiger-2023.yaml" in names
    assert "minortom/reporting/templates/report.html.j2" in names
    assert "minortom/plotting/templates/page.css" in names
    assert "csmoe_model/analysis/templates/experts.html.j2" in names


def test_every_dependency_states_its_reason():
    text = (REPOSITORY / "pyproject.toml").read_text()
    section = text[text.index("dependencies = [") : text.index("[project.scripts]")]

    bounds = [line for line in section.splitlines() if re.match(r'\s+"', line)]

    assert len(bounds) > 20
    assert [line for line in bounds if not re.search(r'",\s+# \w', line)] == []


@pytest.mark.parametrize("python", PYTHONS)
def test_constraints_hold_one_version_of_every_dependency(python):
    where = {"python_version": python, "python_full_version": f"{python}.1"}
    pins = {}
    for line in (REPOSITORY / "constraints.txt").read_text().splitlines():
        pin = Requirement(line.partition("#")[0] or "none==0; python_version < '3'")
        if not pin.marker or pin.marker.evaluate(where):
            assert pins.setdefault(pin.name, str(pin.specifier)) == str(pin.specifier)
    extras = PROJECT["optional-dependencies"].values()
    wanted = [Requirement(text) for text in sum(extras, PROJECT["dependencies"])]
    names = [wish.name.lower().replace("_", "-") for wish in wanted]

    misfits = [
        str(wish) for wish, name in zip(wanted, names, strict=True)
        if not wish.specifier.contains(pins[name].removeprefix("=="))
    ]  # fmt: skip

    assert len(wanted) > 50
    assert misfits == []


def test_classifiers_makefile_and_resolution_name_the_same_pythons():
    resolved = re.search(r"pythons=\((.*)\)", (REPOSITORY / ".ci" / "dependencies").read_text())
    makefile = (REPOSITORY / "Makefile").read_text()
    first, last = (python.replace(".", ", ") for python in (PYTHONS[0], PYTHONS[-1]))

    assert [f"3.{minor}" for minor in range(11, 15)] == PYTHONS
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    assert resolved[1].split() == PYTHONS
    assert f"({first}) <= v <= ({last})" in makefile
    assert f"expected Python {PYTHONS[0]} to {PYTHONS[-1]}, found" in makefile


@pytest.mark.parametrize("package", ["minortom", "csmoe_model"])
def test_importing_a_package_loads_neither_numpy_nor_torch(package):
    heavy = ("numpy", "pyarrow", "torch", "rich")

    loaded = run_python(f"import sys, {package}\nprint([m for m in {heavy} if m in sys.modules])")

    assert loaded.strip() == "[]"


def test_public_names_of_a_face_are_no_files_of_its_package():
    # A file's import would put the module in the place of the function (see minortom/api/lazy.py).
    for name in ("minortom", "minortom.shards", "minortom.grid", "minortom.engine",
                 "minortom.sampling", "minortom.synthetic", "csmoe_model"):  # fmt: skip
        face = importlib.import_module(name)
        folder = REPOSITORY.joinpath(*name.split("."))
        files = {path.stem for path in folder.iterdir()}
        values = {public: getattr(face, public) for public in face.__all__}
        functions = {name for name, value in values.items() if not inspect.ismodule(value)}

        assert not files & functions
        assert set(values) <= set(dir(face))


def test_rooms_with_a_face_are_reached_without_an_import_of_their_own():
    code = "import minortom; print(minortom.shards.open.__name__, minortom.grid.cells_at.__name__)"

    assert run_python(code) == "open cells_at\n"


def test_completion_lists_the_public_names_and_no_others():
    listed = [name for name in dir(csmoe_model) if not name.startswith("_")]

    assert listed == sorted(set(csmoe_model.__all__))


def test_an_unknown_name_of_a_face_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'csmoe_model' has no attribute 'nothing'"):
        csmoe_model.nothing  # noqa: B018


@pytest.mark.parametrize(("given", "wanted"), [("", "PASSIVE"), ("active", "active")])
def test_idle_threads_sleep_unless_the_user_says_otherwise(given, wanted):
    code = "import os, csmoe_model; print(os.environ['OMP_WAIT_POLICY'])"
    others = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    env = others | ({"OMP_WAIT_POLICY": given} if given else {})

    command = [sys.executable, "-c", code]
    told = subprocess.run(command, env=env, capture_output=True, text=True, check=True)

    assert told.stdout.strip() == wanted
