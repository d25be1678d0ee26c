"""The synthetic planet does not change: its maps and pixels equal the stored ones."""

import json

import golden_planet as planet
import numpy as np


def test_the_planet_is_the_one_that_models_were_probed_on():
    recorded, made = json.loads(planet.FILE.read_text(encoding="utf-8")), planet.planet()

    # A point on the rim of a zone, or a pixel on the rim of a class, may go the other way where
    # a library's logarithm differs in the last bit.
    for name in ("climate", "landcover"):
        assert np.count_nonzero(np.array(made[name]) != recorded[name]) < 3
    assert made["patches"].keys() == recorded["patches"].keys()
    for code, wanted in recorded["patches"].items():
        found = made["patches"][code]
        assert found.keys() == wanted.keys()
        pixels, classes = wanted.pop("pixels"), found.pop("pixels")
        assert sum(abs(pixels.get(c, 0) - classes.get(c, 0)) for c in {*pixels, *classes}) < 10
        for name, means in wanted.items():
            np.testing.assert_allclose(found[name], means, atol=2, rtol=1e-3, err_msg=name)
